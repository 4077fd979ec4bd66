"""ONNX files whose stated sizes are those of a trial run, opened for pictures of any size."""

from __future__ import annotations

from pathlib import Path


def with_open_sizes(path: Path) -> bytes:
    """Return an ONNX file, in memory, with all sizes of its inputs and outputs left open.

    For a network of convolutions alone, which was written down at one size and takes any;
    onnxruntime holds a picture to the size that the file states, and has no option against it. What
    the file keeps as constants is no longer offered as inputs too, as older files do, so that
    onnxruntime can fold them.

    Args:
        path: of the file, without tensors in other files.

    Raises:
        Exception: whatever onnx makes of a damaged file.
    """
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    constants = {constant.name for constant in model.graph.initializer}
    taken = [tensor for tensor in model.graph.input if tensor.name not in constants]
    for tensor in (*taken, *model.graph.output):
        for axis, size in enumerate(tensor.type.tensor_type.shape.dim):
            size.Clear()
            size.dim_param = f"{tensor.name}.{axis}"
    kept = [onnx.ValueInfoProto.FromString(tensor.SerializeToString()) for tensor in taken]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    return bytes(model.SerializeToString())
