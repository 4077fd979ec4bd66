"""`onnx_networks` as a function of tensors: a map of a picture by whichever network is named.

One process per device holds them all, since each further one costs a card 0.45 GiB of context. What
it is asked stands in tensors alone, so that Triton's response cache, which does not look at request
parameters, tells one question from another.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import psutil

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import NoParams
from pawfect.contract.probe import probe_photo
from pawfect.contract.tensors import NONCE, Array
from pawfect.contract.texts import read_texts, text_tensor
from pawfect.matting.network import OpenNetwork, shrunk
from pawfect.matting.networks import Network, View, find_network, key, networks
from pawfect.onnx.session import CPU, usable_device
from pawfect.out_of_memory import attempt, out_of_memory, release
from pawfect.settings import OnnxSettings
from pawfect.stop import Stop, never

NAME: Final = "onnx_networks"
# Finds the verified folder of an entry of the weights' manifest; raises UNAVAILABLE.
Find = Callable[[str], Path]


class Run(Protocol):
    """One picture looked at."""

    def __call__(
        self, inputs: Mapping[str, Array], params: NoParams, stop: Stop = never
    ) -> dict[str, Array]:
        """Return the outputs by tensor name."""
        ...


@dataclass(frozen=True, eq=False)
class Loaded:
    """An open network, and what that cost.

    Attributes:
        network: the open one.
        load_ms: milliseconds that it took.
        mib: memory of the process that it took, MiB.
    """

    network: OpenNetwork
    load_ms: float
    mib: float


class Shelf:
    """The networks that stay loaded, the least recently used of them leaving first.

    Args:
        settings: device, threads, and how many stay.
        find: finds their folders.
    """

    def __init__(self, settings: OnnxSettings, find: Find) -> None:
        self._settings = settings
        self._find = find
        self._loaded: OrderedDict[tuple[str, str, str], Loaded] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, network: Network, view: View, device: str) -> Loaded:
        """Return a view, loaded now if it is not.

        Raises:
            PawfectError: UNAVAILABLE as `OpenNetwork.load` does, and for weights that are missing
                or damaged.
            MemoryError: there is not enough for it.
        """
        wanted = network.name, view.file, device
        with self._lock:
            if wanted not in self._loaded:
                self._make_room()
                self._loaded[wanted] = self._load(network, view, device)
            self._loaded.move_to_end(wanted)
            return self._loaded[wanted]

    def _make_room(self) -> None:
        leaving = [one for one in self._loaded if one[0] not in self._settings.kept]
        for one in leaving[: len(leaving) + 1 - self._settings.keep]:
            del self._loaded[one]

    def clear(self) -> None:
        """Let go of all, and of what they held on the device."""
        with self._lock:
            self._loaded.clear()
        release()

    def _load(self, network: Network, view: View, device: str) -> Loaded:
        folder = self._find(network.weights)
        process = psutil.Process()
        before, began = process.memory_info().rss, time.monotonic()
        opened = OpenNetwork.load(network, view, folder, self._settings.threads, device)
        mib = max(process.memory_info().rss - before, 0) / 2**20
        return Loaded(opened, 1000 * (time.monotonic() - began), mib)


def onnx_networks(settings: OnnxSettings, find: Find) -> Run:
    """Return the function of `onnx_networks`; networks load when they are first asked for."""
    shelf = Shelf(settings, find)
    wanted = "tensorrt" if settings.device == "cuda" and settings.tensorrt else settings.device

    def run(inputs: Mapping[str, Array], params: NoParams, stop: Stop = never) -> dict[str, Array]:
        del params
        network, view = _named(inputs)
        picture = np.asarray(inputs["IMAGE"])
        _check_size(picture, view)
        asked = _text(inputs, "DEVICE")
        if asked not in (None, CPU, wanted):
            raise invalid("DEVICE", f"{CPU} or {wanted}", repr(asked))
        device = usable_device(asked or wanted)

        def look() -> tuple[Loaded, Array]:
            loaded = shelf.get(network, view, device)
            return loaded, loaded.network.map(picture, stop)

        # What other networks hold may be what is in its way.
        done = attempt(look, shelf.clear) or attempt(look, shelf.clear)
        if done is None:
            raise out_of_memory(key(network, view))
        loaded, values = done
        report = {
            "wanted": asked or wanted,
            "device": loaded.network.session.device,
            "load_ms": round(loaded.load_ms, 1),
            "mib": round(loaded.mib, 1),
        }
        return {"MAP": values, "REPORT": text_tensor(json.dumps(report))}

    return run


def _named(inputs: Mapping[str, Array]) -> tuple[Network, View]:
    text = _text(inputs, "NETWORK")
    network = find_network((text or "").partition(":")[0])
    return network, network.named(text or "")


def _text(inputs: Mapping[str, Array], name: str) -> str | None:
    texts = read_texts(name, inputs.get(name))
    return texts[0] if texts else None


def _check_size(picture: Array, view: View) -> None:
    height, width = picture.shape[:2]
    if view.resize == "static":
        fits, expected = (width, height) == (view.size, view.size), f"{view.size}x{view.size} px"
    else:
        fits, expected = view.seen(width, height) == (width, height), "a size that the view sees"
    if not fits:
        raise invalid("IMAGE", expected, f"{width}x{height}")


def probe(settings: Any) -> dict[str, Array]:
    """Return a tiny request of the smallest network that any profile has."""
    del settings
    network = min(networks().values(), key=lambda network: network.views[0].size)
    view = network.views[0]
    picture = shrunk(probe_photo(), network, (view.size, view.size))
    return {
        "IMAGE": picture,
        "NETWORK": text_tensor(key(network, view)),
        # Never twice the same: the response cache would answer in the process's place.
        NONCE: np.array([time.time_ns()], np.int64),
    }
