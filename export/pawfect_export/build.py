"""Entries that are built here: a table of builders, each imported when it runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.weights.lock import BUILT_HERE, held, now
from pawfect.weights.manifest import BUILT
from pawfect.weights.store import Store, locked_folder
from pawfect_export.progress import Say


@dataclass(frozen=True)
class Builder:
    """How an entry is built.

    Attributes:
        function: MODULE:NAME; called with the folder, then with the sources' folders.
        sources: the entries that it is made of, built or fetched ones.
        options: further arguments.
        told: whether it also takes `identities` of the sources and `say`.
    """

    function: str
    sources: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    told: bool = False

    def load(self) -> Callable[..., None]:
        """Import the function."""
        module, name = self.function.split(":")
        function: Callable[..., None] = getattr(import_module(module), name)
        return function


QUANTISE: Final = "pawfect_export.quantise:build"
# The source of each model's transformer, and of its text encoder, where that is quantised too.
_FLUX: Final = "flux-fill-dev-transformer-bf16"
_KLEIN: Final = "klein-4b"
_EDIT: Final = "qwen-image-edit-2509"
# Hyper-SD's own card fuses its 8-step LoRA at an eighth, FLUX.1-Turbo-Alpha's and
# Qwen-Image-Lightning's at full.
_LORAS: Final = MappingProxyType(
    {
        "turbo": ("flux-turbo-alpha-lora", 1.0),
        "hyper": ("flux-hyper-8-steps-lora", 0.125),
        "lightning8": ("qwen-edit-2509-lightning-8-steps-lora", 1.0),
    }
)


def _quantised(source: str, scheme: str, lora: str | None = None, **options: str) -> Builder:
    """Return how a module of an entry is quantised, one of _LORAS fused before."""
    if lora is None:
        return Builder(QUANTISE, (source,), {"scheme": scheme, **options}, told=True)
    entry, scale = _LORAS[lora]
    return Builder(QUANTISE, (source, entry), {"scheme": scheme, "lora_scale": scale}, told=True)


def _text(source: str, scheme: str) -> Builder:
    """Return how the text encoder of an entry is quantised."""
    return _quantised(source, scheme, component="text_encoder")


# File of an entry, and the checkpoint that it is made of.
_INSPYRENET: Final = MappingProxyType(
    {
        "inspyrenet": (("base.onnx", "base"), ("fast.onnx", "fast")),
        "inspyrenet-nightly": (("base.onnx", "nightly"),),
    }
)

BUILDERS: Final[Mapping[str, Builder]] = MappingProxyType(
    {
        "flux-fill-dev-int8": _quantised(_FLUX, "int8"),
        "flux-fill-dev-int4": _quantised(_FLUX, "int4"),
        "flux-fill-dev-turbo-int8": _quantised(_FLUX, "int8", "turbo"),
        "flux-fill-dev-turbo-int4": _quantised(_FLUX, "int4", "turbo"),
        "flux-fill-dev-turbo-q8_0": _quantised(_FLUX, "q8_0", "turbo"),
        "flux-fill-dev-turbo-q4_0": _quantised(_FLUX, "q4_0", "turbo"),
        "flux-fill-dev-hyper-int8": _quantised(_FLUX, "int8", "hyper"),
        "flux-fill-dev-hyper-int4": _quantised(_FLUX, "int4", "hyper"),
        "klein-4b-int8": _quantised(_KLEIN, "int8"),
        "klein-4b-int4": _quantised(_KLEIN, "int4"),
        "klein-4b-text-int8": _text(_KLEIN, "int8"),
        "klein-4b-text-int4": _text(_KLEIN, "int4"),
        "qwen-edit-2509-int8": _quantised(_EDIT, "int8"),
        "qwen-edit-2509-int4": _quantised(_EDIT, "int4"),
        "qwen-edit-2509-lightning8-int4": _quantised(_EDIT, "int4", "lightning8"),
        "qwen-edit-2509-text-int4": _text(_EDIT, "int4"),
        **{
            name: Builder("pawfect_export.inspyrenet:build", options={"files": files}, told=True)
            for name, files in _INSPYRENET.items()
        },
        "tiny-flux-fill": Builder("pawfect_export.tiny.flux:build"),
        "tiny-flux-fill-q8_0": Builder(
            "pawfect_export.tiny.gguf_file:build",
            ("tiny-flux-fill",),
            {"quantisation": "Q8_0"},
        ),
        "tiny-flux-fill-int8": _quantised("tiny-flux-fill", "int8"),
        "tiny-flux-fill-int4": _quantised("tiny-flux-fill", "int4"),
        "tiny-klein": Builder("pawfect_export.tiny.klein:build"),
        "tiny-klein-int8": _quantised("tiny-klein", "int8"),
        "tiny-klein-int4": _quantised("tiny-klein", "int4"),
        "tiny-klein-text-int4": _text("tiny-klein", "int4"),
        "tiny-edit": Builder("pawfect_export.tiny.edit:build"),
        "tiny-edit-int8": _quantised("tiny-edit", "int8"),
        "tiny-edit-int4": _quantised("tiny-edit", "int4"),
        "tiny-sam3": Builder("pawfect_export.tiny.sam3:build"),
        "tiny-florence2": Builder("pawfect_export.tiny.florence2:build"),
        "tiny-lama": Builder("pawfect_export.tiny.lama:build"),
        "tiny-inswapper": Builder("pawfect_export.tiny.inswapper:build"),
        "tiny-faces": Builder("pawfect_export.tiny.faces:build", ("centerface",)),
    }
)

Bring = Callable[[str], None]


def build_entry(
    name: str,
    store: Store,
    say: Say,
    builders: Mapping[str, Builder] | None = None,
    bring: Bring | None = None,
) -> None:
    """Build an entry, and first the built ones that it is made of; the caller holds the entry.

    The folder appears at once and whole: it is built beside its place and renamed.

    Args:
        name: of a built entry.
        store: where it goes.
        say: is told how it goes.
        builders: by entry; None: BUILDERS.
        bring: fetches an entry that is not whole and that this one is made of; None: it must be
            there.

    Raises:
        PawfectError: UNAVAILABLE where a package that the builder needs is not installed, or a
            source is not there.
    """
    builders = BUILDERS if builders is None else builders
    builder = builders[name]
    for source in builder.sources:
        with held(store.root, f"fetch-{source}"):
            if not any(store.problems(source)):
                continue
            if store.entries[source].kind == BUILT:
                build_entry(source, store, say, builders, bring)
            elif bring is not None:
                bring(source)
            else:
                store.folder(source, mend=f"pawfect weights fetch {source}")
    folders = [store.root / source for source in builder.sources]
    options = dict(builder.options)
    if builder.told:
        options |= {"identities": tuple(map(store.identity, builder.sources)), "say": say}
    say(f"{name}: building")
    try:
        function = builder.load()
    except ModuleNotFoundError as error:
        raise PawfectError(
            ErrorKind.UNAVAILABLE,
            f"weights {name}: building needs the package {error.name}: "
            "pip install 'pawfect[neural]'",
        ) from None
    store.root.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=store.root))
    try:
        made = place / name
        made.mkdir()
        function(made, *folders, **options)
        locked = locked_folder(made, BUILT_HERE, now())
        target = store.root / name
        if target.exists():
            os.replace(target, place / "before")
        os.replace(made, target)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    store.lock.put(name, locked)
    say(f"{name}: built")
