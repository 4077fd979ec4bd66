"""RapidOCR's steps, each run by a network of the house in place of a session of its own.

The detector is DB (Liao et al., 2020, arXiv:1911.08947), the reader PP-OCRv6, which decodes CTC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidocr.ch_ppocr_cls.main import CLS_SHAPE_BY_OCR_VERSION, TextClassifier
from rapidocr.ch_ppocr_cls.utils import ClsPostProcess
from rapidocr.ch_ppocr_det.main import TextDetector
from rapidocr.ch_ppocr_det.utils import DBPostProcess, DetPreProcess
from rapidocr.ch_ppocr_rec.main import TextRecognizer
from rapidocr.ch_ppocr_rec.typings import TextRecInput
from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode
from rapidocr.main import DEFAULT_CFG_PATH
from rapidocr.utils.parse_parameters import ParseParams

from pawfect.contract.tensors import Array
from pawfect.ocr.tiles import tiles

# One batch in, the network's answer out.
Run = Callable[[Array], Array]
# A piece of a picture with one text, UINT8 [h, w, 3] BGR.
Crop = NDArray[np.uint8]


def settings() -> Any:
    """Return RapidOCR's own settings."""
    return ParseParams.load(DEFAULT_CFG_PATH)


def letters(names: Sequence[str]) -> CTCLabelDecode:
    """Return what makes texts of a recogniser's answers, by its letters in their order."""
    return CTCLabelDecode(list(names))


def detect(picture: Array, run: Run, config: Any, least_side: int) -> NDArray[np.float32]:
    """Find text.

    Args:
        picture: UINT8 [H, W, 3] RGB.
        run: the detector; FP32 [1, 3, h, w] in, [1, 1, h, w] out, how sure it is that there is
            text.
        config: of the detector.
        least_side: px; a smaller one is raised to that.

    Returns:
        FP32 [K, 4, 2], px: boxes, each clockwise from the corner that is its upper left in the
        picture; in reading order.
    """
    prepare = DetPreProcess(least_side, "min", config.mean, config.std)
    resized = prepare.resize(picture[..., ::-1])
    assert resized is not None
    height, width = resized.shape[:2]
    sure = np.empty((1, 1, height, width), np.float32)
    for y, x in tiles(height, width):
        piece = resized[y.start : y.end, x.start : x.end]
        planes = prepare.permute(prepare.normalize(piece))[None].astype(np.float32)
        own = run(planes)[..., y.first - y.start : y.last - y.start, x.first - x.start :]
        sure[..., y.first : y.last, x.first : x.last] = own[..., : x.last - x.first]
    boxes_of = DBPostProcess(
        thresh=config.thresh,
        box_thresh=config.box_thresh,
        max_candidates=config.max_candidates,
        unclip_ratio=config.unclip_ratio,
        use_dilation=config.use_dilation,
        score_mode=config.score_mode,
    )
    boxes, _ = boxes_of(sure, (picture.shape[0], picture.shape[1]))
    if not len(boxes):
        return np.empty((0, 4, 2), np.float32)
    return np.asarray(TextDetector.sorted_boxes(boxes), np.float32)


class Direction(TextClassifier):
    """Says whether text stands on its head.

    Args:
        config: of the classifier.
        run: the network.
    """

    # Not its own, which opens a session.
    def __init__(self, config: Any, run: Run) -> None:
        self.cls_image_shape = CLS_SHAPE_BY_OCR_VERSION[config.ocr_version]
        self.cls_batch_num = config.cls_batch_num
        self.cls_thresh = config.cls_thresh
        self.postprocess_op = ClsPostProcess(config.label_list)
        self.session = run

    def turned(self, crops: list[Crop]) -> list[bool]:
        """Say of each crop whether its text stands on its head."""
        found = self(crops).cls_res or []
        return [label == "180" and score > self.cls_thresh for label, score in found]


class Recogniser(TextRecognizer):
    """Reads one line of text each.

    Args:
        config: of the recogniser.
        run: the network.
        decode: of `letters`.
    """

    # Likewise.
    def __init__(self, config: Any, run: Run, decode: CTCLabelDecode) -> None:
        self.cfg = config
        self.rec_batch_num = config.rec_batch_num
        self.rec_image_shape = config.rec_img_shape
        self.postprocess_op = decode
        self.session = run

    def read(self, crops: list[Crop]) -> list[tuple[str, float]]:
        """Return text and score of each crop."""
        found = self(TextRecInput(img=crops))
        return list(zip(found.txts or (), found.scores, strict=True))
