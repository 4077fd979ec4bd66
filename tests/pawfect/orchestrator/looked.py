"""Networks whose answer a test knows, called as the real ones are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from pawfect.contract.texts import text_tensor
from pawfect.local import LocalModels
from pawfect.matting.networks import Network, parse_networks
from tests.pawfect.matting.small_networks import PLAIN

# Views of a known network, by rising size; the last sees photos of its tests as they are.
VIEWS = [
    {"size": 384, "resize": "static", "file": "fast.onnx"},
    {"size": 1024, "resize": "static", "file": "base.onnx"},
    {"size": 2048, "resize": "dynamic", "file": "base.onnx"},
]
KNOWN: dict[str, Network] = dict(
    parse_networks(
        {
            "known": PLAIN | {"weights": "known", "views": VIEWS},
            "second": PLAIN | {"weights": "second"},
            "exact": PLAIN | {"weights": "exact", "views": VIEWS[2:]},
        }
    )
)


class Answering(LocalModels):
    """The models of a profile in this process, but for `onnx_networks`.

    Args:
        answer: takes the picture as a network sees it, NETWORK and DEVICE; returns the map, FLOAT32
            [h, w], or raises.
    """

    def __init__(self, profile: Any, answer: Callable[[np.ndarray, str, str | None], Any]) -> None:
        super().__init__(profile)
        self._answer = answer
        self.asked: list[tuple[str, str | None]] = []
        self.wanted = "cpu"

    def run(self, model, inputs, parameters, stop=lambda: False):
        if model != "onnx_networks":
            return super().run(model, inputs, parameters, stop)
        network = inputs["NETWORK"][0].decode()
        device = inputs["DEVICE"][0].decode() if "DEVICE" in inputs else None
        self.asked.append((network, device))
        values = self._answer(inputs["IMAGE"], network, device)
        told = {"wanted": device or self.wanted, "device": device or "cpu"}
        told |= {"load_ms": 1.5, "mib": 2.5}
        return {"MAP": np.asarray(values, np.float32), "REPORT": text_tensor(json.dumps(told))}
