"""Makes this folder with `transparent_background`'s own code, in an environment that has it.

    python -m venv ENV
    ENV/bin/pip install transparent-background==1.3.4 torch==2.14.1 torchvision==0.29.1 \
        onnx==1.23.2 onnxruntime==1.31.0
    OMP_NUM_THREADS=1 PYTHONPATH=export ENV/bin/python tests/pawfect/matting/data/inspyrenet/make.py

The network is the package's class, made small and filled from a fixed seed. What the package
answers for each picture is written beside it: `Remover.process` with its own resizing,
normalisation and enlarging, of which only the network and its checkpoint are replaced.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image, ImageDraw
from transparent_background import Remover
from transparent_background.backbones.SwinTransformer import SwinTransformer
from transparent_background.InSPyReNet import InSPyReNet

from pawfect_export.inspyrenet_graph import MAX_DIFFERENCE, TRACED, difference, picture, write

HERE = Path(__file__).parent
# Channels: the least that the attention's eighth of them allows.
WIDTH = 8
MODES = {
    "base_static": ("base", "static"),
    "base_dynamic": ("base", "dynamic"),
    "fast_static": ("fast", "static"),
}
BASES = {"base": 1024, "fast": 384}
# px, width and height: one under every working size, one of another aspect, and one over the 1280
# that the package's dynamic resizing allows the shorter side.
PICTURES = {"small": (120, 88), "tall": (75, 164), "large": (1312, 1300)}
# Of the large picture's map every so many-th pixel is kept.
STRIDE = 16


def network(base_size: list[int]) -> InSPyReNet:
    """Return the class at small size, random, its answers neither black nor white."""
    torch.manual_seed(0)
    backbone = SwinTransformer(
        embed_dim=WIDTH, depths=[2, 2, 1, 1], num_heads=[1, 2, 2, 4], window_size=4
    )
    channels = [WIDTH, *(WIDTH * 2**stage for stage in range(4))]
    made = InSPyReNet(backbone, channels, WIDTH, base_size, threshold=None)
    generator = torch.Generator().manual_seed(1)
    for name, values in made.named_parameters():
        # Zero in a fresh network: what they weigh would go untested.
        if name.endswith("gamma"):
            values.data = 0.3 * torch.randn(1, generator=generator)
        if name.endswith("relative_position_bias_table"):
            values.data = torch.randn(values.shape, generator=generator)
    made.decoder.conv5.conv.weight.data *= 0.3
    for attention in (made.attention0, made.attention1, made.attention2):
        attention.conv_out4.bn.weight.data *= 0.3
    made.eval()
    norms = [part for part in made.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = None
    with torch.no_grad():
        for seed, size in enumerate([(192, 256), (128, 128), (96, 320), (224, 96), (160, 256)] * 2):
            made(torch.from_numpy(picture(size, seed)))
    return made.eval()


def drawn(size: tuple[int, int], seed: int) -> Image.Image:
    """Return a picture of flat ellipses, which compress well."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(value) for value in rng.integers(0, 256, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = (int(rng.integers(0, side)) for side in size)
        across, down = (int(rng.integers(side // 12, side // 3)) for side in size)
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        draw.ellipse((x - across, y - down, x + across, y + down), fill=colour)
    return image


def remover(mode: str, resize: str) -> Remover:
    """Return the package's own, with the small network in place of the published one."""
    module = sys.modules["transparent_background.Remover"]
    made = network([BASES[mode]] * 2)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRANSPARENT_BACKGROUND_FILE_PATH"] = folder
        checkpoint = Path(folder) / "small.pth"
        torch.save(made.state_dict(), checkpoint)
        module.InSPyReNet_SwinB = lambda base_size, **how: network(base_size)
        return Remover(mode=mode, resize=resize, device="cpu", ckpt=str(checkpoint))


def shrunk(path: Path) -> None:
    """Fold a file's constants, which halves its nodes."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    model = onnx.load(str(path))
    for number in reversed(range(len(model.opset_import))):
        if model.opset_import[number].domain:
            del model.opset_import[number]
    # Names of nodes are for people; here they are a fifth of the file.
    for node in model.graph.node:
        node.name = ""
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    """Write the networks, the pictures and the package's answers."""
    for name, base in BASES.items():
        made, path = network([base] * 2), HERE / f"{name}.onnx"
        write(made, path)
        shrunk(path)
        for size in (TRACED, (base, base), (96, 128), (32, 32)):
            if not difference(made, path, size) <= MAX_DIFFERENCE:
                sys.exit(f"{name} at {size}: another answer than the class's")
    images = {name: drawn(size, seed) for seed, (name, size) in enumerate(PICTURES.items())}
    for name, image in images.items():
        image.save(HERE / f"{name}.png", optimize=True)
    for mode, how in MODES.items():
        package = remover(*how)
        for name in ("small", "tall"):
            save(package.process(images[name], type="map"), f"{name}_{mode}")
            if mode == "base_static":
                package.process(images[name], type="rgba").save(HERE / f"{name}_{mode}_rgba.png")
        if mode == "base_dynamic":
            save(package.process(images["large"], type="map"), f"large_{mode}", STRIDE)


def save(found: Image.Image, name: str, stride: int = 1) -> None:
    """Write one channel of a map, whose three are the same."""
    one = np.asarray(found)[::stride, ::stride, 0]
    Image.fromarray(np.ascontiguousarray(one)).save(HERE / f"{name}.png")


if __name__ == "__main__":
    main()
