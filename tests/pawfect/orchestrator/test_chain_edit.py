"""Edits by words with the tiny chains: the pipelines' pictures, bounds, time, memory, the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from diffusers import QwenImageEditInpaintPipeline, QwenImageEditPlusPipeline

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.orchestrator.chain_edit import (
    MAX_REFERENCES,
    ChainEdit,
    ChainEdited,
    edit_by_chain,
    unwatched,
)
from pawfect.orchestrator.deployment import DeployedChain
from pawfect.orchestrator.engine import Caller
from tests import edit_oracle, klein_oracle
from tests.lawn import holes, lawn
from tests.pawfect.conftest import TinyChain
from tests.pawfect.orchestrator.cards import card
from tests.pawfect.orchestrator.conftest import (
    NO_HURRY_MS,
    Before,
    Run,
    Watched,
    late,
    raising,
    run_to_its_end,
)

WORDS = "Make the grass taller and put a ball on it."
PHOTO = lawn(96, 128)
MASK = holes(96, 128, (40, 30, 90, 70))
TINY = lawn(64, 64)
# What the pipelines of Qwen-Image-Edit scale pictures to here: the photo's own size. Their
# text encoder is shown what EditPlus shows it.
SHOWN, LATENTS = 384 * 384, 96 * 128

# Qwen-Image-Edit goes the same ways as FLUX.2: beside its pipelines its runs are slow.
both = pytest.mark.parametrize(
    "chain", ["klein", pytest.param("edit", marks=pytest.mark.slow)], indirect=True
)
by_klein = pytest.mark.parametrize("chain", ["klein"], indirect=True)
by_edit = pytest.mark.parametrize("chain", ["edit"], indirect=True)


@dataclass(frozen=True)
class Done:
    """The end of one edit, and the models that it asked."""

    run: Run

    @property
    def edited(self) -> ChainEdited:
        assert self.run.error is None, self.run.error
        assert isinstance(self.run.result, ChainEdited)
        return self.run.result

    @property
    def error(self) -> PawfectError:
        assert self.run.error is not None
        return self.run.error

    def seen_tokens(self) -> list[int]:
        """Picture tokens of each step: its own and those that it is shown."""
        steps = self.run.models.steps
        return [len(step["LATENTS"]) + len(step["REFERENCES"]) for step in steps]


def edit(
    chain: TinyChain,
    asked: ChainEdit,
    *,
    deployed: DeployedChain | None = None,
    before: dict[str, Before] | None = None,
    deadline_ms: int = NO_HURRY_MS,
    cancelled: Callable[[Watched], bool] | None = None,
    on_step: Any = unwatched,
) -> Done:
    """Run one edit in virtual time."""
    own = deployed or chain.deployment.chain(chain.name)
    models = Watched(chain.models, before)
    run = Run(models)
    run_to_its_end(
        run,
        lambda control: edit_by_chain(Caller(models, control), own, asked, on_step),
        deadline_ms,
        cancelled,
    )
    return Done(run)


@pytest.fixture(autouse=True)
def here(in_tiny_weights):
    """The models are loaded from the tiny weights when they are first called."""


@pytest.fixture(scope="module")
def klein_pipeline(tiny_chain, tiny_weights) -> Any:
    tiny_chain("klein")
    return klein_oracle.load_pipeline(tiny_weights / "tiny-klein")


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """At most one level apart, of pictures that show something."""
    assert ours.std() > 10
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@by_klein
@pytest.mark.parametrize("sizes", [[], [(96, 80), (64, 112)]], ids=["alone", "two"])
def test_klein_edits_as_its_pipeline_does(chain, klein_pipeline, sizes):
    references = [lawn(*size, seed) for seed, size in enumerate(sizes, 1)]
    asked = ChainEdit(PHOTO, WORDS, references=tuple(references), seed=3)
    theirs = klein_oracle.draw_by_pipeline(
        klein_pipeline, (96, 128), [PHOTO, *references], prompt=WORDS, steps=4, seed=3,
        tokens=chain.profile.klein.text_tokens,
    )  # fmt: skip
    assert_same(edit(chain, asked).edited.picture, theirs.picture)


@by_klein
@pytest.mark.parametrize("strength", [0.8, 1.0])
@pytest.mark.parametrize("reference", [None, lawn(80, 64, 5)], ids=["alone", "one"])
def test_klein_edits_under_a_mask_as_its_pipeline_does(chain, klein_pipeline, strength, reference):
    references = () if reference is None else (reference,)
    asked = ChainEdit(PHOTO, WORDS, MASK, references, strength=strength, seed=4)
    theirs = klein_oracle.fill_by_pipeline(
        klein_oracle.load_inpaint_pipeline(klein_pipeline), PHOTO, MASK, prompt=WORDS, steps=4,
        strength=strength, seed=4, tokens=chain.profile.klein.text_tokens, reference=reference,
    )  # fmt: skip
    assert_same(edit(chain, asked).edited.picture, theirs.picture)


def by_pipeline(
    kind: type, weights: Any, pictures: Sequence[np.ndarray], **given: Any
) -> np.ndarray:
    with edit_oracle.areas(SHOWN, LATENTS):
        pipeline = edit_oracle.load_pipeline(kind, weights / "tiny-edit")
        if kind is QwenImageEditInpaintPipeline:
            edit_oracle.show_as_plus(pipeline)
        return edit_oracle.edit_by_pipeline(
            pipeline, pictures, prompt=WORDS, negative=" ", steps=4, size=(96, 128), **given
        )


@by_edit
@pytest.mark.parametrize(("guidance", "references"), [(4.0, [lawn(128, 96, 2)]), (1.0, [])])
def test_qwen_image_edit_edits_as_its_pipeline_does(chain, tiny_weights, guidance, references):
    asked = ChainEdit(PHOTO, WORDS, references=tuple(references), guidance_scale=guidance, seed=8)
    theirs = by_pipeline(
        QwenImageEditPlusPipeline, tiny_weights, [PHOTO, *references], guidance=guidance, seed=8
    )
    assert_same(edit(chain, asked).edited.picture, theirs)


@by_edit
@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_qwen_image_edit_edits_under_a_mask_as_its_pipeline_does(chain, tiny_weights, strength):
    asked = ChainEdit(PHOTO, WORDS, MASK, strength=strength, seed=9)
    theirs = by_pipeline(
        QwenImageEditInpaintPipeline, tiny_weights, [PHOTO], guidance=4.0, seed=9, mask=MASK,
        strength=strength,
    )  # fmt: skip
    assert_same(edit(chain, asked).edited.picture, theirs)


@both
def test_pictures_over_the_largest_working_size_are_brought_to_it(chain):
    done = edit(chain, ChainEdit(lawn(400, 400), WORDS, references=(lawn(600, 150), lawn(70, 90))))
    assert done.edited.picture.shape == (400, 400, 3)
    assert done.edited.size == (256, 256)
    # 600x150 at the area of 256x256, and 70x90 at its own size, both down to multiples of 16.
    shown = [[16, 16], [32, 8], [4, 5]]
    assert done.run.models.steps[0]["REFERENCE_GRIDS"].tolist() == shown
    assert done.edited.fallbacks == ()


@both
def test_the_seed_the_words_and_the_references_count(chain):
    def drawn(**changes: Any) -> np.ndarray:
        given = {"references": (TINY,), "seed": 1, "steps": 2} | changes
        return edit(chain, ChainEdit(TINY, **({"instruction": WORDS} | given))).edited.picture

    first = drawn()
    np.testing.assert_array_equal(drawn(), first)
    others = [drawn(seed=2), drawn(instruction="a red sofa"), drawn(references=()),
              drawn(references=(255 - TINY,))]  # fmt: skip
    assert all((other != first).any() for other in others)


@both
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"references": (TINY,) * 9}, f"REFERENCE: expected at most {MAX_REFERENCES}, got 9"),
        ({"needed": 1}, "REFERENCE: expected at least 1, got none"),
        ({"references": (TINY[..., 0],)}, "REFERENCE: expected UINT8 [h, w, 3], got uint8 [64, 64"),
        ({"references": (np.dstack([TINY, TINY[..., 0]]),)}, "[h, w, 3], got uint8 [64, 64, 4]"),
        ({"references": (TINY / 255,)}, "got float64 [64, 64, 3]"),
        ({"references": (TINY[:0],)}, "REFERENCE: expected some pixels, got none"),
        ({"picture": TINY[:60]}, "IMAGE: expected sides that are multiples of 16 px, got 64x60"),
        ({"mask": holes(64, 64)}, "MASK: expected some pixels >= 128 (to change), got none"),
        ({"mask": holes(64, 48, (0, 0, 9, 9))}, "MASK: expected UINT8 [64, 64], as the picture"),
        ({"strength": 0.0}, "strength: expected above 0 to 1, got 0.0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_any_model_is_asked(chain, changes, says):
    done = edit(chain, ChainEdit(**({"picture": TINY, "instruction": WORDS} | changes)))
    assert done.error.kind is ErrorKind.INVALID_ARG
    assert says in done.error.message
    assert done.run.models.called == []


@both
def test_an_instruction_over_the_token_limit_is_refused_with_both_numbers(chain):
    done = edit(chain, ChainEdit(TINY, "grass and leaves " * 100))
    assert done.error.kind is ErrorKind.INVALID_ARG
    said, got = done.error.message.rsplit(", got ", 1)
    assert said == "instruction: expected at most 256 tokens"
    assert int(got) > 256
    assert done.run.calls(chain.transformer) == 0


def test_a_model_that_only_fills_does_not_edit(tiny_chain):
    done = edit(tiny_chain("flux"), ChainEdit(TINY, WORDS))
    assert done.error.kind is ErrorKind.UNAVAILABLE
    assert "FLUX.1-Fill fills what a mask marks, it does not edit by words" in done.error.message


@both
def test_without_its_weights_it_says_what_brings_them(chain):
    problem = PawfectError(ErrorKind.UNAVAILABLE, "run `pawfect weights fetch it`")
    lacking = replace(chain.deployment.chain(chain.name), schedule=None, error=problem)
    assert edit(chain, ChainEdit(TINY, WORDS), deployed=lacking).error is problem


@both
def test_who_cancels_waits_for_no_step(chain):
    # The second step would take an hour, of which the clock shows none to speak of.
    begun = {chain.transformer: late(3600, at=2)}
    done = edit(
        chain,
        ChainEdit(TINY, WORDS),
        before=begun,
        cancelled=lambda models: models.called.count(chain.transformer) >= 2,
    )
    assert done.error.kind is ErrorKind.CANCELLED
    assert done.run.calls(chain.vae_decoder) == 0


@both
def test_late_steps_become_fewer(chain):
    done = edit(
        chain,
        ChainEdit(TINY, WORDS, steps=12),
        before={chain.transformer: late(1.0)},
        deadline_ms=8000,
    )
    taken = done.edited.denoising.steps_taken
    assert 4 <= taken < 8
    (fewer,) = done.edited.fallbacks
    assert fewer.reason == f"late: {taken} steps instead of 12"


@both
def test_too_few_steps_in_time_are_no_edit(chain):
    done = edit(
        chain,
        ChainEdit(TINY, WORDS, steps=12),
        before={chain.transformer: late(3.0)},
        deadline_ms=8000,
    )
    assert done.error.kind is ErrorKind.DEADLINE
    assert "expected time for at least 4 of 12 steps" in done.error.message


@both
def test_where_costs_are_known_the_plan_fits_the_deadline(chain):
    deployed = replace(chain.deployment.chain(chain.name), costs=card(1.0, text_ms=10.0))
    asked = ChainEdit(lawn(256, 256), WORDS, references=(lawn(256, 256, 1),))
    whole = edit(chain, asked, deployed=deployed).edited
    assert (whole.size, whole.denoising.quality, whole.fallbacks) == ((256, 256), 0, ())
    tight = edit(
        chain, asked, deployed=deployed, deadline_ms=int(0.6 * whole.denoising.expected_ms / 0.85)
    )
    assert tight.edited.size == (128, 128)
    assert tight.edited.picture.shape == (256, 256, 3)
    # The reference is no larger than the picture: it costs as much.
    assert set(tight.seen_tokens()) == {3 * 64}
    (less,) = tight.edited.fallbacks
    assert (less.stage, less.instead, less.kind) == ("plan", "128 px", ErrorKind.DEADLINE)
    never = edit(chain, asked, deployed=deployed, deadline_ms=50)
    assert never.error.kind is ErrorKind.DEADLINE
    assert never.run.models.called == []


@both
def test_out_of_memory_the_next_smaller_size_is_taken(chain):
    short = PawfectError(ErrorKind.OUT_OF_MEMORY, "7 GiB")
    asked = ChainEdit(lawn(256, 256), WORDS, steps=2)
    done = edit(chain, asked, before={chain.transformer: raising(short, last=1)})
    assert done.edited.size == (128, 128)
    assert [(one.stage, one.instead) for one in done.edited.fallbacks] == [(chain.name, "128 px")]
    # The text is embedded once, and once more what is not wanted.
    assert done.run.calls(chain.text_encoder) == (2 if chain.name == "edit" else 1)
    never = edit(chain, asked, before={chain.transformer: raising(short)})
    assert never.error.kind is ErrorKind.OUT_OF_MEMORY


@both
def test_each_step_is_told_with_a_preview(chain):
    seen: list[tuple[float, Any]] = []

    async def on_step(share: float, shown: Any) -> None:
        seen.append((share, shown))

    edit(chain, ChainEdit(PHOTO, WORDS, preview_every=2), on_step=on_step)
    assert [share for share, _ in seen] == [0.25, 0.5, 0.75, 1.0]
    assert [shown is None for _, shown in seen] == [True, False, True, False]
    assert seen[1][1].shape == (12, 16, 3)
