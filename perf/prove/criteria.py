"""The roadmap's success criteria, each with how it is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from perf.audit.choice import loss_of
from perf.audit.journal import Record
from perf.prove.evidence import Evidence, strange
from perf.prove.jobs import CONTRACT, LATE_S
from perf.prove.live import FLORENCE2
from perf.prove.plan import BASELINE_STEPS, STATIC_PROMPT

PASS: Final = "pass"
FAIL: Final = "fail"
LOOK: Final = "needs a person's look"
ELSEWHERE: Final = "not judged here"
REHEARSED: Final = "rehearsed"

# Of a fill's area: a difference of strange labels that small is the labels' own noise.
STRANGE_MARGIN: Final = 0.05
# Growth that the roadmap asks, px, and how far a pixel grid may miss it.
GROWTH_PX: Final = (8.0, 16.0)
GRID_PX: Final = 1.0
# A colour step across the seam above the truth's own that shows on a smooth surface, CIE76.
VISIBLE_STEP: Final = 2.3
CAPTION_MS: Final = 2000.0
T4_MS: Final = 30_000.0
T4: Final = "T4"
TURING: Final = "7.5"


@dataclass(frozen=True)
class Verdict:
    """How one criterion came out.

    Attributes:
        status: one of those above.
        how: what was found, by which it is judged.
        pictures: paths below the proof's folder, with captions, where it needs a look.
    """

    status: str
    how: str
    pictures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Criterion:
    """One line of the roadmap.

    Attributes:
        number: PHASE.LINE.
        text: what it asks.
        judge: looks at the evidence.
        of_weights: whether it is about pictures, or about seconds of a card: with tiny random
            weights it is rehearsed, and judged nowhere.
    """

    number: str
    text: str
    judge: Callable[[Evidence], Verdict]
    of_weights: bool = False

    def verdict(self, found: Evidence) -> Verdict:
        """Return how it came out."""
        verdict = self.judge(found)
        if found.plan.rehearsal and self.of_weights:
            return replace(
                verdict, status=REHEARSED, how=f"would be: {verdict.status}. {verdict.how}"
            )
        return verdict


def _judged(holds: bool, how: str, *pictures: tuple[str, str]) -> Verdict:
    return Verdict(PASS if holds else FAIL, how, pictures)


def _crop(row: Record, caption: str) -> tuple[str, str]:
    return row.crop, caption


def _quantisations_part(found: Evidence) -> Verdict:
    """0.1: the baseline's time, and what of wrong content is quantisation's doing."""
    baseline = found.baseline()
    if baseline is None:
        return Verdict(FAIL, "the baseline gave no picture of its own: see its cell")
    pairs = list(found.pairs("Q4_0", "Q8_0"))
    time = f"baseline ({baseline.setting}): {baseline.total_ms / 1000:.1f} s"
    pictures = [_crop(baseline, f"baseline, Q4_0, {BASELINE_STEPS} steps")]
    if larger := found.baseline("Q8_0"):
        pictures.append(_crop(larger, "the same, Q8_0"))
    if not pairs:
        return Verdict(LOOK, f"{time}; no cell of Q8_0 to compare with fits", tuple(pictures))
    small, large = strange([a for a, _ in pairs]), strange([b for _, b in pairs])
    if small is None or large is None:
        return Verdict(LOOK, f"{time}; no labels tell what is wrong content", tuple(pictures))
    part = "ruled out" if small - large <= STRANGE_MARGIN else "confirmed"
    how = (
        f"{time}; over {len(pairs)} pairs {small:.1%} of the fill has labels that the surroundings "
        f"lack with Q4_0, {large:.1%} with Q8_0: quantisation's part is {part}"
    )
    return Verdict(PASS, how, tuple(pictures))


def _guidance_grid(found: Evidence) -> Verdict:
    return _axis(found, "guidance", "guidance")


def _axis(found: Evidence, axis: str, name: str) -> Verdict:
    losses = found.by(axis)
    if len(losses) < 2:
        return Verdict(FAIL, f"fewer than two values of {name} gave pictures of their own")
    best = min(losses, key=losses.__getitem__)
    told = ", ".join(f"{value}: {loss:.3f}" for value, loss in losses.items())
    rows = [row for row in found.rows() if getattr(row.setting, axis) in losses]
    lowest: dict[object, Record] = {}
    for row in sorted(rows, key=loss_of, reverse=True):
        lowest[getattr(row.setting, axis)] = row
    pictures = tuple(_crop(lowest[value], f"{name} {value}") for value in losses if value in lowest)
    return Verdict(PASS, f"loss by {name}: {told}; the best is {best}", pictures)


def _compile_explained(found: Evidence) -> Verdict:
    told = found.compiled
    word = "confirmed" if told.exit_code == 0 else "rejected"
    how = f"{word} on {found.card.name}, in {told.seconds:.0f} s; the command's words stand below"
    if found.card.capability != TURING and not found.plan.rehearsal:
        return Verdict(ELSEWHERE, f"sm_75 is asked, this is {found.card.capability}: {how}")
    return Verdict(PASS, how)


def _targets(found: Evidence) -> Verdict:
    best = found.best
    if best is None:
        return Verdict(FAIL, "no complete setting keeps the budget")
    return Verdict(PASS, f"this page and audit.html; recommended: {best.setting}")


def _steps_live(found: Evidence) -> Verdict:
    return _live(found, "steps", {int(fill.report["steps"] or 0) for fill in found.live.fills})


def _guidance_live(found: Evidence) -> Verdict:
    own = {float(fill.report["guidance_scale"] or 0) for fill in found.live.fills}
    return _live(found, "guidance", own)


def _quantisation_live(found: Evidence) -> Verdict:
    own = {str(fill.report["weights"].get("flux_transformer")) for fill in found.live.fills}
    entry = found.profile.weights["flux_transformer"]
    if found.best is None:
        return Verdict(FAIL, f"served: {', '.join(sorted(own))}; nothing is recommended")
    asked = found.best.setting.quantisation
    how = f"served: {entry} ({', '.join(sorted(own))}); recommended: {asked}"
    return _judged(asked == entry, how)


def _live(found: Evidence, axis: str, served: set[Any]) -> Verdict:
    shown = ", ".join(map(str, sorted(served)))
    if found.best is None:
        return Verdict(FAIL, f"served: {shown}; nothing is recommended")
    asked = getattr(found.best.setting, axis)
    how = f"served: {shown}; recommended: {asked} (`pawfect audit approve` writes it)"
    return _judged(served == {asked}, how)


def _specks_leave(found: Evidence) -> Verdict:
    live = found.live
    how = f"{live.specks} isolated pixels were added to the mask, {live.specks_left} were left"
    return _judged(live.specks > 0 and live.specks_left == 0, how)


def _mask_grows(found: Evidence) -> Verdict:
    live = found.live
    low, high = GROWTH_PX
    grown = low <= live.dilate_px <= high and live.growth_px <= high + GRID_PX
    steps = [fill.scores["seam_off"] for fill in live.fills]
    soft = max(steps) <= VISIBLE_STEP
    how = (
        f"grown by {live.dilate_px:g} px, at most {live.growth_px:g} px from what was marked; the "
        f"colour step at the rim is {max(steps):.2f} CIE76 off "
        + ("the truth's" if live.truth_step is not None else "none")
        + f" ({VISIBLE_STEP} can be seen)"
    )
    pictures = tuple((fill.crop, f"seed {seed}") for seed, fill in enumerate(live.fills))
    if found.plan.rehearsal:
        return _judged(grown, f"{how}, which random weights do not keep: not judged", *pictures)
    return _judged(grown and soft, how, *pictures)


def _labels_around(found: Evidence) -> Verdict:
    labels = found.live.labels_around
    told = ", ".join(f"{name} {share:.0%}" for name, share in labels.items()) or "none"
    return _judged(bool(labels), f"SAM3 names around the mask: {told}")


def _enqueue_does_not_wait(found: Evidence) -> Verdict:
    job = found.jobs.late
    how = (
        f"the POST was answered in {job.posted_s:.2f} s, without labels; these took {LATE_S:g} s "
        "and came into the document afterwards"
    )
    return _judged(
        job.posted_s < LATE_S and not job.labels_at_post and bool(job.document_labels), how
    )


def _labels_on_pickup(found: Evidence) -> Verdict:
    job = found.jobs.late
    same = bool(job.document_labels) and job.document_labels == job.report_labels
    how = (
        f"sceneLabels: {', '.join(job.document_labels) or 'none'}; filled by: "
        f"{', '.join(job.report_labels) or 'none'} (source {job.labels_source})"
    )
    return _judged(same and job.labels_source == "request", how)


def _nack_ends(found: Evidence) -> Verdict:
    late, never = found.jobs.late, found.jobs.never
    put_back = late.label_waits > 0 and 0 < never.label_waits <= CONTRACT.label_waits
    how = (
        f"with late labels put back {late.label_waits} times, then filled; with none put back "
        f"{never.label_waits} times (at most {CONTRACT.label_waits}, or "
        f"{CONTRACT.label_wait_s:g} s), over after {never.over_s:.0f} s"
    )
    return _judged(put_back and never.over_s < CONTRACT.job_s, how)


def _never_failed(found: Evidence) -> Verdict:
    never, live = found.jobs.never, found.live
    told = [f"job whose labels never came: {never.status}, labels from {never.labels_source}"]
    holds = never.status == "completed"
    for what, report in (("SAM3 killed", live.without_sam3), ("Florence-2 too", live.without_any)):
        if report is not None:
            source, prompt = report["labels_source"], report["prompt_source"]
            told.append(
                f"{what}: filled by {report['engine']}, labels from {source}, prompt {prompt}"
            )
            holds &= report["hole_px"] > 0
    if live.without_any is not None:
        holds &= live.without_any["labels_source"] == "none"
    return _judged(holds, "; ".join(told))


def _prompt_built(found: Evidence) -> Verdict:
    prompts = {(fill.report["prompt"], fill.report["prompt_source"]) for fill in found.live.fills}
    told = "; ".join(f"{text!r} from {source}" for text, source in prompts)
    own = all(text != STATIC_PROMPT and source != "prompt" for text, source in prompts)
    holds = own and any(source in ("labels", "caption") for _, source in prompts)
    return _judged(holds, f"sent to FLUX: {told}")


def _captions(found: Evidence) -> Verdict:
    report = found.live.without_sam3
    if report is None:
        return Verdict(FAIL, f"profile {found.profile.name} has no SAM3 or no Florence-2")
    took = report["stage_ms"].get(FLORENCE2)
    if took is None or report["labels_source"] != FLORENCE2:
        return Verdict(FAIL, f"labels came from {report['labels_source']}")
    how = f"caption in {took / 1000:.2f} s (its share of that time), prompt {report['prompt']!r}"
    return _judged(took <= CAPTION_MS, how)


def _prompt_module(found: Evidence) -> Verdict:
    told = found.prompts
    last = told.text.splitlines()[-1] if told.text else "no output"
    return _judged(told.exit_code == 0 and told.passed > 0, f"pawfect/scene/prompt.py: {last}")


def _right_content(found: Evidence) -> Verdict:
    shares = [fill.scores.get("strange") for fill in found.live.fills]
    known = [share for share in shares if share is not None]
    told = ", ".join(f"{share:.1%}" for share in known) or "no labels tell"
    how = f"of the fills is labelled as what the surroundings lack: {told}"
    pictures = tuple((fill.crop, f"seed {seed}") for seed, fill in enumerate(found.live.fills))
    if any(share > STRANGE_MARGIN for share in known):
        return Verdict(FAIL, how, pictures)
    return Verdict(LOOK, how, pictures)


def _regional_compile(found: Evidence) -> Verdict:
    flux = found.profile.flux
    assert flux is not None
    works, pays = found.compiled.exit_code == 0, found.compiled.pays
    told = "blocks do not compile"
    if works:
        told = "blocks compile whole, and a step is " + ("faster" if pays else "not faster so")
    how = f"profile: compile is {'on' if flux.compile else 'off'} ({flux.compile_reason}); {told}"
    return _judged(works if flux.compile else not pays, how)


def _in_time(found: Evidence) -> Verdict:
    slowest = max(fill.report["total_ms"] for fill in found.live.fills)
    how = f"slowest of {len(found.live.fills)} requests {slowest / 1000:.2f} s, all stages"
    p95 = found.live.analyzer.get("p95_ms")
    if p95 is not None:
        how += f"; perf_analyzer p95 {p95 / 1000:.2f} s"
    engines = {fill.report["engine"] for fill in found.live.fills}
    if engines != {"flux"}:
        return Verdict(FAIL, f"filled by {', '.join(sorted(engines))}: {how}")
    if T4 not in found.card.name and not found.plan.rehearsal:
        return Verdict(ELSEWHERE, f"a T4 is asked, this is {found.card.name}: {how}")
    return _judged(max(slowest, p95 or 0.0) < T4_MS, how)


def _otherwise(found: Evidence) -> Verdict:
    flux = found.profile.flux
    assert flux is not None
    applied = []
    if flux.attention != "auto":
        applied.append(f"attention {flux.attention} ({flux.attention_reason})")
    if flux.tile_px:
        applied.append(f"the VAE in tiles above {flux.tile_px} px")
    how = f"profile: {'; '.join(applied) or 'none'}; timed in turn below"
    in_force = found.attention.exit_code == 0
    return _judged(in_force and bool(applied), how if in_force else f"{how}: NOT IN FORCE")


CRITERIA: Final = (
    Criterion("0.1", "Baseline in seconds; Q4_0 beside Q8_0 on the session: quantisation's part in "
              "wrong content confirmed or ruled out", _quantisations_part, True),
    Criterion("0.2", "Guidance grid 2, 4, 10, 20, 30: the best value for background fill named",
              _guidance_grid, True),
    Criterion("0.3", "torch.compile on sm_75 confirmed or rejected by torch._dynamo.explain()",
              _compile_explained, True),
    Criterion("0.4", "A written report with numeric targets for steps, guidance, quantisation",
              _targets, True),
    Criterion("1.1", "Steps from 28 to the audited number (about 20), live", _steps_live, True),
    Criterion("1.2", "The audited guidance, live", _guidance_live, True),
    Criterion("1.3", "From Q4_0 to the better of Q5_K_M and Q8_0", _quantisation_live, True),
    Criterion("1.4", "Isolated white pixels leave the mask", _specks_leave),
    Criterion("1.5", "The mask grows 8-16 px, no hard seam", _mask_grows),
    Criterion("2.1", "Surface labels around the mask", _labels_around),
    Criterion("2.2", "Labelling beside the enqueue, which does not wait", _enqueue_does_not_wait),
    Criterion("2.3", "sceneLabels in the session's document, read on pickup", _labels_on_pickup),
    Criterion("2.4", "NACK while labels are missing, ended by an attempt counter and a wall-clock "
              "deadline", _nack_ends),
    Criterion("2.5", "Without labels Florence-2 or an empty prompt, never a failed job",
              _never_failed),
    Criterion("3.1", "The static prompt replaced by one built from labels or caption",
              _prompt_built),
    Criterion("3.2", "Florence-2-base captions the surroundings (1-2 s) where labels are absent",
              _captions, True),
    Criterion("3.3", "Prompt building in one unit-tested module", _prompt_module),
    Criterion("3.4", "On D1A406F5 matching grass and leaves, no wrong object", _right_content,
              True),
    Criterion("4.1", "Regional compile on the transformer's blocks if 0.3 allows, shown to run by "
              "explain()", _regional_compile, True),
    Criterion("4.2", "Under 30 s on a T4 on the session, all stages", _in_time, True),
    Criterion("4.3", "Else another optimisation (xformers, VAE tiling) documented and applied",
              _otherwise, True),
)  # fmt: skip
