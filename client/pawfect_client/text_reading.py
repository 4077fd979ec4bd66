"""A request of `text_reading`: what is sent, what comes back, and a server that does not read."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Final

from pawfect.contract.reading import ReadingReport, read_texts_of
from pawfect.contract.tensors import TEXT_READING
from pawfect_client.failures import absent_said
from pawfect_client.results import TextRead
from pawfect_client.wire import broken, output_of, report_of

_SERVER: Final = "a server that reads text, profile embedded, t4, l4 or h200"


def text_read(response: Any) -> TextRead:
    """Return what was read, as a ModelInferResponse has it.

    Raises:
        PawfectError: INTERNAL for an answer that is not what the contract says.
    """
    boxes, texts, scores = (output_of(response, name) for name in ("BOXES", "TEXTS", "SCORES"))
    if boxes is None or texts is None or scores is None:
        raise broken("BOXES, TEXTS, SCORES", "all three", "fewer")
    if not boxes.shape[:1] == texts.shape == scores.shape or boxes.shape[1:] != (4, 2):
        got = f"{list(boxes.shape)}, {list(texts.shape)}, {list(scores.shape)}"
        raise broken("BOXES, TEXTS, SCORES", "[K, 4, 2], [K], [K]", got)
    read = read_texts_of({"BOXES": boxes, "TEXTS": texts, "SCORES": scores})
    return TextRead(read, report_of(response, ReadingReport.from_json))


def reader_asked() -> AbstractContextManager[None]:
    """Have the block's failure say what a server lacks that does not know the model."""
    return absent_said(TEXT_READING.name, _SERVER)
