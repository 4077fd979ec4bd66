"""Checkpoints into modules: safetensors only, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import safetensors
import torch
from safetensors.torch import load_file

from pawfect.errors import ErrorKind, PawfectError

# As many names of tensors as a message lists.
NAMED: Final = 3


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read one of a checkpoint's JSON files.

    Raises:
        PawfectError: UNAVAILABLE where it is missing or damaged.
    """
    try:
        content = json.loads((folder / name).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise unusable(folder, f"expected {name}, got {type(error).__name__}") from None
    if not isinstance(content, dict):
        raise unusable(folder, f"{name}: expected a JSON object, got {type(content).__name__}")
    return content


def read_tensors(folder: Path, stem: str) -> dict[str, torch.Tensor]:
    """Read `STEM.safetensors` of a folder, or the parts that `STEM.safetensors.index.json` names.

    Args:
        folder: of one module, as the published checkpoints lay it out.
        stem: `model` (transformers) or `diffusion_pytorch_model` (diffusers).

    Raises:
        PawfectError: UNAVAILABLE where a file is missing, damaged or a pickle.
    """
    whole, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if whole.is_file():
        return read_file(whole)
    if not index.is_file():
        found = sorted(path.name for path in folder.glob("*") if path.is_file())
        raise unusable(folder, f"expected {stem}.safetensors, got {', '.join(found) or 'no file'}")
    tensors: dict[str, torch.Tensor] = {}
    for part in sorted(set(read_json(folder, index.name)["weight_map"].values())):
        tensors |= read_file(folder / Path(part).name)
    return tensors


def read_file(path: Path) -> dict[str, torch.Tensor]:
    """Read one safetensors file; raises as `read_tensors` does."""
    try:
        return dict(load_file(path))
    except FileNotFoundError:
        raise unusable(path.parent, f"expected {path.name}, got nothing") from None
    except (safetensors.SafetensorError, OSError) as error:
        with path.open("rb") as file:
            pickled = file.read(2) in (b"\x80\x02", b"\x80\x04", b"PK")
        got = "a pickle" if pickled else f"a damaged file ({type(error).__name__})"
        raise unusable(path.parent, f"{path.name}: expected safetensors, got {got}") from None


def load_strict(
    module: torch.nn.Module,
    tensors: Mapping[str, torch.Tensor],
    what: str,
    *,
    device: str,
    dtype: torch.dtype,
) -> None:
    """Give a module, built on the meta device or not, all its weights.

    Nothing is assigned unless every tensor is there with its shape and none is left over; weights
    that the module ties may be given once.

    Args:
        module: keeps its own non-persistent buffers, which must not be on the meta device.
        tensors: by the module's names.
        what: for messages.
        device: where the weights go.
        dtype: of floating-point weights.

    Raises:
        PawfectError: UNAVAILABLE for missing, extra or mis-shaped tensors, named.
    """
    expected = module.state_dict()
    tied = _tied(module)
    missing = [n for n in expected if n not in tensors and not tied.get(n, set()) & set(tensors)]
    extra = [name for name in tensors if name not in expected]
    shaped = [
        f"{name} {list(tensors[name].shape)} for {list(expected[name].shape)}"
        for name in expected
        if name in tensors and tensors[name].shape != expected[name].shape
    ]
    for problem, names in (("missing", missing), ("extra", extra), ("mis-shaped", shaped)):
        if names:
            raise PawfectError(
                ErrorKind.UNAVAILABLE,
                f"{what}: expected {len(expected)} tensors, got {len(names)} {problem}: "
                f"{_listed(names)}",
            )
    given = {
        name: tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)
        for name, tensor in tensors.items()
    }
    module.load_state_dict(given, strict=False, assign=True)
    if hasattr(module, "tie_weights"):
        module.tie_weights()
    module.to(device)
    module.requires_grad_(False).eval()


def unusable(folder: Path, problem: str) -> PawfectError:
    """Return the UNAVAILABLE error for a checkpoint's folder, named without its path."""
    return PawfectError(ErrorKind.UNAVAILABLE, f"weights {folder.name}: {problem}")


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
