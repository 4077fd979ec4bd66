"""`make versus`: what the window and the product's settings save, counted, timed and written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from pawfect.profile import load_profile
from perf.flux.versus.checkpoint import SIZES, build, deployment_of, parameters_of, profile_of
from perf.flux.versus.page import Result, markdown
from perf.flux.versus.run import (
    OTHERS,
    OWN_STEPS,
    WINDOW_PX,
    at_full_size,
    bounds,
    count_pipeline,
    count_product,
    timed_rounds,
)
from perf.flux.versus.sides import Photo, Pipeline, Product
from perf.publish import provenance, publish
from perf.scenes import load_scene

BUILD: Final = Path("build/versus")
PACKAGES: Final = ("pawfect", "numpy", "torch", "diffusers", "transformers",
                   "opencv-contrib-python-headless", "pypatchmatch")  # fmt: skip
# Whose working sizes and text length are the product's.
PROFILE: Final = "t4"


@click.command()
@click.option("--size", type=click.Choice(list(SIZES)), default="large", show_default=True)
@click.option("--rounds", type=click.IntRange(0), default=3, show_default=True,
              help="Timed rounds; 0 only counts.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def versus(size: str, rounds: int, out: Path) -> None:
    """Compare `inpaint` with FluxFillPipeline; write `versus.json` and `versus.md`.

    Exit code 1: a bound was missed.
    """
    settings = load_profile(PROFILE).flux
    assert settings is not None
    BUILD.mkdir(parents=True, exist_ok=True)
    folder = build(BUILD, SIZES[size])
    profile = profile_of(SIZES[size], settings.sizes, OWN_STEPS)
    product = Product.load(folder, profile, deployment_of(folder, profile))
    pipeline = Pipeline.load(folder)
    scene = load_scene()
    photo = Photo(scene.photo, scene.mask)
    click.echo("counting ...")
    counted = []
    prompt = ""
    for window_px in (WINDOW_PX, *OTHERS):
        item, prompt = count_product(product, photo, window_px)
        counted.append(item)
    whole = count_pipeline(pipeline, photo, prompt)
    seconds = timed_rounds(product, pipeline, photo, prompt, rounds, click.echo) if rounds else {}
    result = Result(
        provenance(" ".join(["python -m perf.flux.versus", *sys.argv[1:]]), PACKAGES),
        parameters_of(folder),
        counted,
        whole,
        at_full_size(counted, whole, settings.text_tokens),
        seconds,
        bounds(counted[0], whole, seconds),
    )
    page = markdown(result)
    publish(out, "versus", result.as_json(), page)
    click.echo(page)
    missed = [bound.name for bound in result.bounds if not bound.reached]
    if missed:
        click.echo(f"missed: {', '.join(missed)}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    versus()
