"""Write the reference scene to a folder: `python -m perf.scene --out DIR`."""

import argparse
from pathlib import Path

from PIL import Image

from perf.scene.scene import render_scene


def main() -> None:
    """Parse the command line, render, and write photo, mask, truth and pet_mask as PNG."""
    parser = argparse.ArgumentParser(prog="perf.scene", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder, made if missing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=1600, help="px")
    parser.add_argument("--height", type=int, default=1200, help="px")
    options = parser.parse_args()
    scene = render_scene(options.seed, width=options.width, height=options.height)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in ("photo", "mask", "truth", "pet_mask"):
        Image.fromarray(getattr(scene, name)).save(options.out / f"{name}.png")


if __name__ == "__main__":
    main()
