"""What the roadmap asks of masks, labels, jobs and prompts: phases 2 and 3, and the rest of 1."""

from __future__ import annotations

from typing import Final

from perf.prove.evidence import Evidence
from perf.prove.jobs import CONTRACT, LATE_S
from perf.prove.live import ERROR, FLORENCE2
from perf.prove.plan import STATIC_PROMPT
from perf.prove.verdict import FAIL, LOOK, STRANGE_MARGIN, Verdict, judged

# Growth that the roadmap asks, px, and how far a pixel grid may miss it.
GROWTH_PX: Final = (8.0, 16.0)
GRID_PX: Final = 1.0
# A colour step across the seam above the truth's own that shows on a smooth surface, CIE76.
VISIBLE_STEP: Final = 2.3
CAPTION_MS: Final = 2000.0


def specks_leave(found: Evidence) -> Verdict:
    """Judge 1.4: whether isolated pixels left the mask."""
    live = found.live
    how = f"{live.specks} isolated pixels were added to the mask, {live.specks_left} were left"
    return judged(live.specks > 0 and live.specks_left == 0, how)


def mask_grows(found: Evidence) -> Verdict:
    """Judge 1.5: how far the mask grew, and the colour step at its rim."""
    live = found.live
    low, high = GROWTH_PX
    measured = low - GRID_PX <= live.growth_px <= high + GRID_PX
    grown = measured and low <= live.dilate_px <= high
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
        return judged(grown, f"{how}, which random weights do not keep: not judged", *pictures)
    return judged(grown and soft, how, *pictures)


def labels_around(found: Evidence) -> Verdict:
    """Judge 2.1: what SAM3 names around the mask."""
    labels = found.live.labels_around
    told = ", ".join(f"{name} {share:.0%}" for name, share in labels.items()) or "none"
    return judged(bool(labels), f"SAM3 names around the mask: {told}")


def enqueue_does_not_wait(found: Evidence) -> Verdict:
    """Judge 2.2: whether a POST was answered before the labels were there."""
    job = found.jobs.late
    how = (
        f"the POST was answered in {job.posted_s:.2f} s, without labels; these took {LATE_S:g} s "
        "and came into the document afterwards"
    )
    return judged(
        job.posted_s < LATE_S and not job.labels_at_post and bool(job.document_labels), how
    )


def labels_on_pickup(found: Evidence) -> Verdict:
    """Judge 2.3: whether the document's labels are those that the job was filled by."""
    job = found.jobs.late
    same = bool(job.document_labels) and job.document_labels == job.report_labels
    how = (
        f"sceneLabels: {', '.join(job.document_labels) or 'none'}; filled by: "
        f"{', '.join(job.report_labels) or 'none'} (source {job.labels_source})"
    )
    return judged(same and job.labels_source == "request", how)


def nack_ends(found: Evidence) -> Verdict:
    """Judge 2.4: how often jobs were put back for labels, and that this ended."""
    late, never = found.jobs.late, found.jobs.never
    put_back = late.label_waits > 0 and 0 < never.label_waits <= CONTRACT.label_waits
    how = (
        f"with late labels put back {late.label_waits} times, then filled; with none put back "
        f"{never.label_waits} times (at most {CONTRACT.label_waits}, or "
        f"{CONTRACT.label_wait_s:g} s), over after {never.over_s:.0f} s"
    )
    return judged(put_back and never.over_s < CONTRACT.job_s, how)


def never_failed(found: Evidence) -> Verdict:
    """Judge 2.5: what became of jobs and fills without labels."""
    never, live = found.jobs.never, found.live
    told = [f"job whose labels never came: {never.status}, labels from {never.labels_source}"]
    holds = never.status == "completed"
    for what, report in (("SAM3 killed", live.without_sam3), ("Florence-2 too", live.without_any)):
        if report is not None and ERROR in report:
            told.append(f"{what}: {report[ERROR]}")
            holds = False
        elif report is not None:
            source, prompt = report["labels_source"], report["prompt_source"]
            told.append(
                f"{what}: filled by {report['engine']}, labels from {source}, prompt {prompt}"
            )
            holds &= report["hole_px"] > 0
    if live.without_any is not None:
        holds &= live.without_any.get("labels_source") == "none"
    return judged(holds, "; ".join(told))


def prompt_built(found: Evidence) -> Verdict:
    """Judge 3.1: where the prompts came from."""
    prompts = {(fill.report["prompt"], fill.report["prompt_source"]) for fill in found.live.fills}
    told = "; ".join(f"{text!r} from {source}" for text, source in prompts)
    own = all(text != STATIC_PROMPT and source != "prompt" for text, source in prompts)
    holds = own and any(source in ("labels", "caption") for _, source in prompts)
    return judged(holds, f"sent to {found.title}: {told}")


def captions(found: Evidence) -> Verdict:
    """Judge 3.2: how long Florence-2 took where SAM3 was not there."""
    report = found.live.without_sam3
    if report is not None and ERROR in report:
        return Verdict(FAIL, f"no fill without SAM3: {report[ERROR]}")
    if report is None:
        return Verdict(FAIL, f"profile {found.profile.name} has no SAM3 or no Florence-2")
    took = report["stage_ms"].get(FLORENCE2)
    if took is None or report["labels_source"] != FLORENCE2:
        return Verdict(FAIL, f"labels came from {report['labels_source']}")
    how = f"caption in {took / 1000:.2f} s (its share of that time), prompt {report['prompt']!r}"
    return judged(took <= CAPTION_MS, how)


def prompt_module(found: Evidence) -> Verdict:
    """Judge 3.3: how the prompt's tests ended."""
    told = found.prompts
    last = told.text.splitlines()[-1] if told.text else "no output"
    return judged(told.exit_code == 0 and told.passed > 0, f"pawfect/scene/prompt.py: {last}")


def right_content(found: Evidence) -> Verdict:
    """Judge 3.4: what share of the fills is labelled as strange; a person looks."""
    shares = [fill.scores.get("strange") for fill in found.live.fills]
    known = [share for share in shares if share is not None]
    told = ", ".join(f"{share:.1%}" for share in known) or "no labels tell"
    how = f"of the fills is labelled as what the surroundings lack: {told}"
    pictures = tuple((fill.crop, f"seed {seed}") for seed, fill in enumerate(found.live.fills))
    if any(share > STRANGE_MARGIN for share in known):
        return Verdict(FAIL, how, pictures)
    return Verdict(LOOK, how, pictures)
