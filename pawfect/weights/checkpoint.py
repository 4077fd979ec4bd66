"""Checkpoints into modules: safetensors only, whole or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import safetensors
import torch
from safetensors.torch import load_file

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.out_of_memory import fitting
from pawfect.weights.formats import is_pickle
from pawfect.weights.reading import read_json, unusable

# As many names of tensors as a message lists.
NAMED: Final = 3
# The precisions that profiles may ask for.
DTYPES: Final = MappingProxyType(
    {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
)


def torch_dtype(name: str) -> torch.dtype:
    """Return the dtype of this name; INVALID_ARG where it is none of DTYPES."""
    if name not in DTYPES:
        raise invalid("dtype", f"one of {', '.join(DTYPES)}", name)
    return DTYPES[name]


def read_tensors(
    folder: Path, stem: str, *, under: str = "", beside: tuple[str, ...] = ()
) -> dict[str, torch.Tensor]:
    """Read `STEM.safetensors` of a folder, or the parts that `STEM.safetensors.index.json` names.

    The tensors are views of the mapped files: memory is taken when they are used.

    Args:
        folder: of one module, as the published checkpoints lay it out.
        stem: `model` (transformers) or `diffusion_pytorch_model` (diffusers).
        under: see `names_under`.
        beside: see `names_under`.

    Raises:
        PawfectError: UNAVAILABLE where a file is missing, damaged or a pickle, or where the parts
            do not hold what the index says.
    """
    whole, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if whole.is_file():
        tensors = read_file(whole)
    elif index.is_file():
        tensors = _read_parts(folder, index.name)
    else:
        found = sorted(path.name for path in folder.glob("*") if path.is_file())
        raise unusable(folder, f"expected {stem}.safetensors, got {', '.join(found) or 'no file'}")
    names = names_under(tensors, under, beside)
    if len(set(names.values())) < len(names):
        raise unusable(folder, f"expected each tensor once, got some with and without {under}")
    return {name: tensors[given] for given, name in names.items()}


def names_under(
    names: Iterable[str], under: str = "", beside: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return by published name the module's own name of each tensor that the module is to have.

    Published checkpoints may hold a module as a part of a larger one: CLIP's text encoder below
    `text_model.`, SAM3's detector below `detector_model.`.

    Args:
        names: as published.
        under: the prefix that goes; names without it stay as they are.
        beside: prefixes of tensors that belong to other modules, left out.
    """
    return {name: name.removeprefix(under) for name in names if not name.startswith(beside)}


def read_file(path: Path) -> dict[str, torch.Tensor]:
    """Read one safetensors file; the tensors are views of it. Raises as `read_tensors` does."""
    try:
        return dict(load_file(path))
    except FileNotFoundError:
        raise unusable(path.parent, f"expected {path.name}, got nothing") from None
    except (safetensors.SafetensorError, OSError) as error:
        got = "a pickle" if is_pickle(path) else f"a damaged file ({type(error).__name__})"
        raise unusable(path.parent, f"{path.name}: expected safetensors, got {got}") from None


def load_strict(
    module: torch.nn.Module,
    tensors: Mapping[str, torch.Tensor],
    what: str,
    *,
    device: str,
    dtype: torch.dtype,
    keep_fp32: tuple[str, ...] = (),
    as_stored: tuple[str, ...] = (),
    apart: tuple[str, ...] = (),
) -> None:
    """Give a module, built on the meta device or not, all its weights.

    Nothing is assigned unless every tensor is there with its shape and none is left over; weights
    that the module ties may be given once. The weights are copies: beside the mapped files that
    `read_tensors` gives, they take their own size once, and the files may change afterwards.

    Args:
        module: keeps its own non-persistent buffers, which must not be on the meta device.
        tensors: by the module's names.
        what: for messages.
        device: where the weights go.
        dtype: of floating-point weights.
        keep_fp32: parts of the module, by their own name at any depth, whose weights stay float32
            where `dtype` is float16: T5's `wo` overflows in it (transformers keeps it so too).
        as_stored: last names of tensors, scales of quantised weights, that keep the dtype they
            have in the file and in the module alike.
        apart: submodules, by path, whose weights stay on the CPU as they are given.

    Raises:
        PawfectError: UNAVAILABLE for missing, extra, mis-shaped or mistyped tensors, named, and
            where the device's memory does not hold the weights.
        ValueError: for a module with non-persistent buffers on the meta device.
    """
    check_strict(module, {name: tuple(given.shape) for name, given in tensors.items()}, what)
    expected = module.state_dict()
    hollow = [n for n, b in module.named_buffers() if b.is_meta and n not in expected]
    if hollow:
        raise ValueError(f"{what}: expected real buffers, got {_listed(hollow)} on meta")
    mistyped = [
        name
        for name, given in tensors.items()
        if given.is_floating_point() != expected[name].is_floating_point()
        or (
            given.dtype != expected[name].dtype
            and (not given.is_floating_point() or _is_stored(name, as_stored))
        )
    ]
    _refuse(what, len(expected), "mistyped", mistyped)
    sources = _sources(module, tensors, what)
    del expected
    with fitting(what, device):
        made = {
            name: tensors[name].clone()
            if is_below(name, apart)
            else tensors[name].to(
                device, _dtype(name, tensors[name], dtype, keep_fp32, as_stored), copy=True
            )
            for name in sorted(set(sources.values()))
        }
    _assign(module, {name: made[source] for name, source in sources.items()})
    own = [(n, b) for n, b in module.named_buffers(remove_duplicate=False) if n not in sources]
    _assign(module, {name: buffer.to(device) for name, buffer in own if not is_below(name, apart)})
    module.requires_grad_(False).eval()


def check_strict(module: torch.nn.Module, shapes: Mapping[str, Sequence[int]], what: str) -> None:
    """Raise UNAVAILABLE unless these are the module's tensors, by name and shape.

    Args:
        module: on any device, the meta device too.
        shapes: by the module's names; of tied weights one is enough.
        what: for messages.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    check_shapes(expected, shapes, what, _tied(module))


def check_shapes(
    expected: Mapping[str, Sequence[int]],
    given: Mapping[str, Sequence[int]],
    what: str,
    tied: Mapping[str, set[str]] = MappingProxyType({}),
) -> None:
    """Raise UNAVAILABLE unless the given tensors are the expected ones, by name and shape.

    Args:
        expected: shapes by name.
        given: shapes by name.
        what: for messages.
        tied: for each name the names of all tensors that are the same one; of these one is enough.
    """
    missing = [n for n in expected if n not in given and tied.get(n, set()).isdisjoint(given)]
    extra = [name for name in given if name not in expected]
    shaped = [
        f"{name} {list(given[name])} for {list(shape)}"
        for name, shape in expected.items()
        if name in given and tuple(given[name]) != tuple(shape)
    ]
    for problem, names in (("missing", missing), ("extra", extra), ("mis-shaped", shaped)):
        _refuse(what, len(expected), problem, names)


def is_below(name: str, paths: tuple[str, ...]) -> bool:
    """Return whether a tensor of this name belongs to one of the submodules at these paths."""
    return name.startswith(tuple(f"{path}." for path in paths))


def _read_parts(folder: Path, index: str) -> dict[str, torch.Tensor]:
    """Read the parts that an index names, each holding exactly the tensors it is said to."""
    placed = read_json(folder, index).get("weight_map")
    if not isinstance(placed, dict) or not all(isinstance(part, str) for part in placed.values()):
        raise unusable(folder, f"{index}: expected weight_map, tensors' names to files' names")
    parts = sorted(set(placed.values()))
    for part in parts:
        if part != Path(part).name or not part.endswith(".safetensors"):
            raise unusable(folder, f"{index}: expected safetensors files beside it, got {part!r}")
    tensors: dict[str, torch.Tensor] = {}
    for part in parts:
        given = read_file(folder / part)
        said = {name for name, holder in placed.items() if holder == part}
        if given.keys() != said:
            differing = _listed(sorted(given.keys() ^ said))
            raise unusable(folder, f"{part}: expected the tensors of the index, not so {differing}")
        tensors |= given
    return tensors


def _refuse(what: str, count: int, problem: str, names: Collection[str]) -> None:
    if names:
        got = f"{len(names)} {problem}: {_listed(names)}"
        raise PawfectError(ErrorKind.UNAVAILABLE, f"{what}: expected {count} tensors, got {got}")


def _sources(
    module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], what: str
) -> dict[str, str]:
    """Return for each of the module's tensors the given one that it gets; one for tied ones."""
    tied = _tied(module)
    sources: dict[str, str] = {}
    for name in module.state_dict():
        given = sorted(tied.get(name, {name}) & tensors.keys())
        sources[name] = given[0]
        if not all(torch.equal(tensors[given[0]], tensors[other]) for other in given[1:]):
            problem = f"expected tied weights to be equal, got {_listed(given)} that differ"
            raise PawfectError(ErrorKind.UNAVAILABLE, f"{what}: {problem}")
    return sources


def _dtype(
    name: str,
    tensor: torch.Tensor,
    dtype: torch.dtype,
    keep_fp32: tuple[str, ...],
    as_stored: tuple[str, ...],
) -> torch.dtype:
    if not tensor.is_floating_point() or _is_stored(name, as_stored):
        return tensor.dtype
    kept = dtype == torch.float16 and not set(keep_fp32).isdisjoint(name.split("."))
    return torch.float32 if kept else dtype


def _is_stored(name: str, as_stored: tuple[str, ...]) -> bool:
    return name.rpartition(".")[2] in as_stored


def _assign(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put tensors in place of a module's parameters and buffers; what is shared stays shared."""
    parameters = dict(module.named_parameters(remove_duplicate=False)).keys()
    shared: dict[int, torch.nn.Parameter] = {}
    for name, tensor in tensors.items():
        path, _, leaf = name.rpartition(".")
        value = tensor
        if name in parameters:
            value = shared.setdefault(id(tensor), torch.nn.Parameter(tensor, requires_grad=False))
        setattr(module.get_submodule(path), leaf, value)


def _tied(module: torch.nn.Module) -> dict[str, set[str]]:
    """Return for each parameter the names of all that are the same one."""
    by_identity: dict[int, set[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        by_identity.setdefault(id(parameter), set()).add(name)
    return {name: names for names in by_identity.values() for name in names}


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
