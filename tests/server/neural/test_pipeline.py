"""`inpaint` through the server against diffusers' FluxFillPipeline on the same weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from pawfect.profile import load_profile
from tests.oracle import fill_by_pipeline, load_pipeline
from tests.server.conftest import at_once
from tests.server.neural.conftest import PLAIN, WHOLE, NeuralClient, difference, photo

HOLE = WHOLE > 0


@dataclass(frozen=True)
class Wish:
    """One request as both sides take it; the prompt comes from the label."""

    picture: int
    label: str = "grass"
    seed: int = 7
    steps: int = 4
    guidance: float = 30.0


WISHES = (
    Wish(0, seed=1, steps=6),
    Wish(1, "sand", seed=2, steps=3, guidance=2.5),
    Wish(2, "snow", seed=2**40 + 3, steps=5, guidance=0.0),
    Wish(3, "gravel", seed=4, steps=4, guidance=65.5),
)


@pytest.fixture(scope="module")
def pipeline(started):
    pipe = load_pipeline(started.weights / "tiny-flux-fill")

    def fill(wish: Wish, start: np.ndarray | None = None, strength: float = 1.0) -> np.ndarray:
        return fill_by_pipeline(
            pipe,
            photo(wish.picture) if start is None else start,
            WHOLE,
            prompt=wish.label,
            steps=wish.steps,
            guidance=wish.guidance,
            strength=strength,
            seed=wish.seed,
            tokens=load_profile("tiny").flux.text_tokens,
        )

    return fill


def asked(client: NeuralClient, wish: Wish, **more):
    given = PLAIN | {"seed": wish.seed, "steps": wish.steps, "guidance_scale": wish.guidance}
    labels = np.array([wish.label.encode()], np.object_)
    return client(photo(wish.picture), WHOLE, SCENE_LABELS=labels, **(given | more))


def test_four_requests_in_flight_or_alone_equal_the_pipeline(client, neural_server, pipeline):
    def job(wish: Wish):
        return lambda: asked(NeuralClient(neural_server.endpoints.grpc), wish)

    together = at_once([job(wish) for wish in WISHES])
    for wish, result in zip(WISHES, together, strict=True):
        expected, original = pipeline(wish), photo(wish.picture)
        for image in (result.as_numpy("IMAGE"), asked(client, wish).as_numpy("IMAGE")):
            assert difference(image[HOLE], expected[HOLE]) <= 1
            np.testing.assert_array_equal(image[~HOLE], original[~HOLE])
            assert difference(image[HOLE], original[HOLE]) > 1
        report = client.report(result)
        assert (report.engine, report.prompt, report.prompt_cut) == ("flux", wish.label, 0)
        assert (report.steps, report.guidance_scale) == (wish.steps, wish.guidance)
        (window,) = report.windows
        assert (window.box, window.working_px, window.seed) == ((0, 0, 128, 128), 128, wish.seed)
        assert not report.fallbacks


def test_at_half_strength_denoising_starts_from_the_patch_fill(client, pipeline):
    wish = Wish(0, steps=6)
    prior = asked(client, wish, engine="patch").as_numpy("IMAGE")
    result = asked(client, wish, strength=0.5)
    image = result.as_numpy("IMAGE")
    assert difference(image[HOLE], pipeline(wish, prior, 0.5)[HOLE]) <= 1
    np.testing.assert_array_equal(image[~HOLE], prior[~HOLE])
    assert client.report(result).strength == 0.5
    # A prior of another fill would be seen.
    assert difference(image[HOLE], pipeline(wish, 255 - prior, 0.5)[HOLE]) > 1
