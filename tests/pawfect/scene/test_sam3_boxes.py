"""Averages within boxes against ONNX Runtime's own operator of the same definition."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from pawfect.scene.sam3_boxes import roi_align

SIDE = 7


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    shapes = {"features": [2, 3, 20, 31], "rois": [80, 4], "of": [80]}
    kinds = dict.fromkeys(shapes, TensorProto.FLOAT) | {"of": TensorProto.INT64}
    node = helper.make_node(
        "RoiAlign", list(kinds), ["pooled"], mode="avg", output_height=SIDE, output_width=SIDE,
        sampling_ratio=0, spatial_scale=1.0, coordinate_transformation_mode="output_half_pixel",
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "roi_align",
        [helper.make_tensor_value_info(name, kinds[name], shapes[name]) for name in shapes],
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [80, 3, SIDE, SIDE])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=9)
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString())


def test_boxes_are_averaged_as_onnx_runtime_does(session):
    rng = np.random.default_rng(5)
    features = rng.standard_normal((2, 3, 20, 31)).astype(np.float32)
    corners = np.sort(rng.uniform(0, 1, (2, 40, 2, 2)), axis=2) * [31, 20]
    boxes = corners.reshape(2, 40, 4).astype(np.float32)
    # The whole picture, less than a pixel, at the far corner, and out over the edge.
    boxes[0, :4] = [[0, 0, 31, 20], [3.2, 4.1, 3.3, 4.15], [30.5, 19.5, 31, 20], [28, 2, 40, 9]]
    of = np.repeat(np.arange(2), 40)
    given = {"features": features, "rois": boxes.reshape(-1, 4), "of": of}
    (expected,) = session.run(None, given)
    pooled = roi_align(torch.from_numpy(features), torch.from_numpy(boxes).unbind(0), SIDE)
    assert pooled.shape == (80, 3, SIDE, SIDE)
    np.testing.assert_allclose(pooled.numpy(), expected, atol=2e-5)
    halves = roi_align(torch.from_numpy(features).half(), torch.from_numpy(boxes).unbind(0), SIDE)
    assert halves.dtype == torch.float16
    np.testing.assert_allclose(halves.float().numpy(), expected, atol=0.02)
