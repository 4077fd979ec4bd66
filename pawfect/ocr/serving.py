"""`text_reading` as a function of tensors, loaded from its weights."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from pawfect.clock import Clock
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.reading import ReadingParams, ReadingReport
from pawfect.contract.tensors import MIN_SIDE, Array, check_photo_size
from pawfect.contract.texts import text_tensor
from pawfect.ocr import INSTALL
from pawfect.onnx.session import EXTRA
from pawfect.out_of_memory import fitting
from pawfect.settings import ReadingSettings
from pawfect.stop import Stop, never
from pawfect.weights.reading import unusable
from pawfect.weights.store import Store

if TYPE_CHECKING:
    from pawfect.ocr.reader import Reader

_INSTALL_OTHER: Final = f"pip install 'pawfect[{EXTRA}]'"


class Run(Protocol):
    """One photo read; `stop` ends the networks' runs."""

    def __call__(
        self, inputs: Mapping[str, Array], params: ReadingParams, stop: Stop = never
    ) -> dict[str, Array]:
        """Return the outputs by tensor name."""
        ...


def text_reading(settings: ReadingSettings, folder: Path) -> Run:
    """Load the reader.

    Raises:
        PawfectError: UNAVAILABLE as `Reader`, and without RapidOCR, with what installs it.
    """
    with fitting(f"weights {folder.name}", settings.device):
        reader = _reader(folder, settings.threads)
    identity = Store(folder.parent).identity(folder.name)

    def run(
        inputs: Mapping[str, Array], params: ReadingParams, stop: Stop = never
    ) -> dict[str, Array]:
        photo = np.asarray(inputs["IMAGE"])
        height, width = photo.shape[:2]
        check_photo_size(height, width, "IMAGE")
        clock, size = Clock(params.deadline_ms), params.size or settings.size
        try:
            reading = reader.read(photo, size, lambda: stop() or clock.over(), clock.stage)
        except PawfectError as error:
            if error.kind is ErrorKind.CANCELLED and not stop():
                raise clock.late() from None
            raise
        texts = [text for text in reading.texts if text.score >= params.least_score]
        report = ReadingReport(
            found=len(texts),
            left_out=len(reading.texts) - len(texts),
            least_score=params.least_score,
            size=size,
            seen=reading.seen,
            device=reader.device,
            width=width,
            height=height,
            stage_ms=clock.stage_ms,
            total_ms=clock.total_ms(),
            weights={"reading": identity},
        )
        return {
            "BOXES": np.array([text.quad for text in texts], np.float32).reshape(-1, 4, 2),
            "TEXTS": text_tensor(*(text.text for text in texts)),
            "SCORES": np.array([text.score for text in texts], np.float32),
            "REPORT": text_tensor(report.to_json()),
        }

    return run


def probe(settings: ReadingSettings | None) -> dict[str, Array]:
    """Return the probe's tensors: two letters, so that all three networks have work."""
    del settings
    photo = np.full((MIN_SIDE, MIN_SIDE, 3), 255, np.uint8)
    # H and I, 24 px high.
    photo[20:44, [*range(12, 16), *range(26, 30), *range(40, 44)]] = 0
    photo[30:34, 12:30] = 0
    return {"IMAGE": photo}


def _reader(folder: Path, threads: int) -> Reader:
    try:
        # Only here: RapidOCR is installed apart, and the rest of the library does without it.
        reader: type[Reader] = import_module("pawfect.ocr.reader").Reader
    except ModuleNotFoundError as error:
        package = (error.name or "rapidocr").partition(".")[0]
        install = INSTALL if package == "rapidocr" else _INSTALL_OTHER
        problem = f"reading with them needs the package {package}: {install}"
        raise unusable(folder, problem) from None
    return reader(folder, threads)
