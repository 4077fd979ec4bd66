"""What the roadmap asks of settings and of the card: phases 0 and 4, and the first of phase 1."""

from __future__ import annotations

from typing import Any, Final

from pawfect.orchestrator.planner import steps_run
from perf.audit.choice import loss_of
from perf.audit.journal import Record
from perf.prove.evidence import Evidence, strange
from perf.prove.live import Fill
from perf.prove.verdict import ELSEWHERE, FAIL, LOOK, PASS, STRANGE_MARGIN, Verdict, judged

T4_MS: Final = 30_000.0
T4: Final = "T4"
TURING: Final = "7.5"


def _crop(row: Record, caption: str) -> tuple[str, str]:
    return row.crop, caption


def quantisations_part(found: Evidence) -> Verdict:
    """Judge 0.1: the baseline's time, and what of wrong content is quantisation's doing."""
    baseline = found.baseline()
    if baseline is None:
        return Verdict(FAIL, "the baseline gave no picture of its own: see its cell")
    smallest, largest = found.plan.smallest, found.plan.largest
    time = f"baseline ({baseline.setting}): {baseline.total_ms / 1000:.1f} s"
    pictures = [_crop(baseline, f"baseline, {smallest}, {baseline.setting.steps} steps")]
    if smallest == largest:
        how = f"{time}; of {found.title} as it is run here there is no larger file"
        return Verdict(ELSEWHERE, how, tuple(pictures))
    pairs = list(found.pairs(smallest, largest))
    if larger := found.baseline(largest):
        pictures.append(_crop(larger, f"the same, {largest}"))
    if not pairs:
        return Verdict(LOOK, f"{time}; no cell of {largest} to compare with fits", tuple(pictures))
    small, large = strange([a for a, _ in pairs]), strange([b for _, b in pairs])
    if small is None or large is None:
        return Verdict(LOOK, f"{time}; no labels tell what is wrong content", tuple(pictures))
    part = "ruled out" if small - large <= STRANGE_MARGIN else "confirmed"
    how = (
        f"{time}; over {len(pairs)} pairs {small:.1%} of the fill has labels that the surroundings "
        f"lack with {smallest}, {large:.1%} with {largest}: quantisation's part is {part}"
    )
    return Verdict(PASS, how, tuple(pictures))


def guidance_grid(found: Evidence) -> Verdict:
    """Judge 0.2: the loss by guidance, and the best."""
    return by_axis(found, "guidance") if found.guided else _unguided(found)


def _unguided(found: Evidence) -> Verdict:
    return Verdict(ELSEWHERE, f"{found.title} is not guided")


def by_axis(found: Evidence, axis: str) -> Verdict:
    """Judge the loss by the values of a setting, and name the best."""
    losses = found.by(axis)
    if len(losses) < 2:
        return Verdict(FAIL, f"fewer than two values of {axis} gave pictures of their own")
    best = min(losses, key=losses.__getitem__)
    told = ", ".join(f"{value}: {loss:.3f}" for value, loss in losses.items())
    rows = [row for row in found.rows() if getattr(row.setting, axis) in losses]
    lowest: dict[object, Record] = {}
    for row in sorted(rows, key=loss_of, reverse=True):
        lowest[getattr(row.setting, axis)] = row
    pictures = tuple(_crop(lowest[value], f"{axis} {value}") for value in losses if value in lowest)
    return Verdict(PASS, f"loss by {axis}: {told}; the best is {best}", pictures)


def compile_explained(found: Evidence) -> Verdict:
    """Judge 0.3: whether the blocks compile whole, on a card of sm_75."""
    told = found.compiled
    if not told.conclusive:
        last = told.text.splitlines()[-1] if told.text else "no output"
        return Verdict(FAIL, f"it came to no finding ({last}); the next run tries again")
    word = "confirmed" if told.exit_code == 0 else "rejected"
    how = f"{word} on {found.card.name}, in {told.seconds:.0f} s; the command's words stand below"
    if found.card.capability != TURING and not found.plan.rehearsal:
        return Verdict(ELSEWHERE, f"sm_75 is asked, this is {found.card.capability}: {how}")
    return Verdict(PASS, how)


def targets(found: Evidence) -> Verdict:
    """Judge 0.4: the setting that the audit recommends."""
    best = found.best
    if best is None:
        return Verdict(FAIL, "no complete setting keeps the budget")
    return Verdict(PASS, f"this page and audit.html; recommended: {best.setting}")


def steps_live(found: Evidence) -> Verdict:
    """Judge 1.1: the steps that were served beside those recommended."""
    return _live(found, "steps", set(map(_served_steps, found.live.fills)))


def _served_steps(fill: Fill) -> int:
    """Return the steps that a fill was planned with, or where some were left out those it took."""
    steps, taken = int(fill.report["steps"] or 0), int(fill.report["steps_taken"] or 0)
    # With a strength under 1 not all of them run.
    whole = steps_run(steps, float(fill.report["strength"])) if steps else 0
    return steps if taken >= whole else taken


def guidance_live(found: Evidence) -> Verdict:
    """Judge 1.2: the guidance that was served beside that recommended."""
    if not found.guided:
        return _unguided(found)
    own = {float(fill.report["guidance_scale"] or 0) for fill in found.live.fills}
    return _live(found, "guidance", own)


def quantisation_live(found: Evidence) -> Verdict:
    """Judge 1.3: whether what is served is the better of the two, or better than it."""
    component = f"{found.engine}_transformer"
    served = {str(fill.report["weights"].get(component)) for fill in found.live.fills}
    entry = found.profile.weights[component]
    losses = found.by("quantisation")
    larger = list(found.plan.quantisations.values())[1:]
    known = {name: losses[name] for name in larger if name in losses}
    head = f"served: {entry} ({', '.join(sorted(served))})"
    if not larger:
        return Verdict(ELSEWHERE, f"{head}; there is no larger file of it")
    if not known:
        return Verdict(FAIL, f"{head}; none of the larger gave pictures of its own")
    better = min(known, key=known.__getitem__)
    told = ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
    own = found.product_loss
    how = f"{head}, loss {own:.3f} as it is served; of the others: {told}"
    return judged(entry == better or own <= known[better], how)


def _live(found: Evidence, axis: str, served: set[Any]) -> Verdict:
    shown = ", ".join(map(str, sorted(served)))
    if found.best is None:
        return Verdict(FAIL, f"served: {shown}; nothing is recommended")
    asked = getattr(found.best.setting, axis)
    how = f"served: {shown}; recommended: {asked} (`pawfect audit approve` writes it)"
    return judged(served == {asked}, how)


def regional_compile(found: Evidence) -> Verdict:
    """Judge 4.1: whether the profile compiles where that works and pays."""
    settings = found.settings
    works, pays = found.compiled.exit_code == 0, found.compiled.pays
    told = "blocks do not compile"
    if works:
        told = "blocks compile whole, and a step is " + ("faster" if pays else "not faster so")
    said = f"compile is {'on' if settings.compile else 'off'} ({settings.compile_reason})"
    how = f"profile: {said}; {told}"
    if not found.compiled.conclusive:
        return Verdict(FAIL, f"{how}: it came to no finding")
    return judged(works if settings.compile else not pays, how)


def in_time(found: Evidence) -> Verdict:
    """Judge 4.2: the slowest request and the p95, on a T4."""
    slowest = max(fill.report["total_ms"] for fill in found.live.fills)
    how = f"slowest of {len(found.live.fills)} requests {slowest / 1000:.2f} s, all stages"
    p95 = found.live.analyzer.get("p95_ms")
    if p95 is not None:
        how += f"; perf_analyzer p95 {p95 / 1000:.2f} s"
    steps = steps_run(found.settings.steps, found.settings.strength)
    least = _fewest_steps(found)
    if least < steps:
        return Verdict(FAIL, f"only {least} of {steps} steps were taken in time: {how}")
    engines = {fill.report["engine"] for fill in found.live.fills}
    if engines != {found.engine}:
        return Verdict(FAIL, f"filled by {', '.join(sorted(engines))}: {how}")
    if T4 not in found.card.name and not found.plan.rehearsal:
        return Verdict(ELSEWHERE, f"a T4 is asked, this is {found.card.name}: {how}")
    return judged(max(slowest, p95 or 0.0) < T4_MS, how)


def _fewest_steps(found: Evidence) -> int:
    """Return the fewest steps that a fill took: a run that would be late leaves some out."""
    return min(int(fill.report["steps_taken"] or 0) for fill in found.live.fills)


def otherwise(found: Evidence) -> Verdict:
    """Judge 4.3: what else the profile does, and whether it is in force."""
    settings = found.settings
    applied = []
    if settings.attention != "auto":
        applied.append(f"attention {settings.attention} ({settings.attention_reason})")
    if settings.tile_px:
        applied.append(f"the VAE in tiles above {settings.tile_px} px")
    how = f"profile: {'; '.join(applied) or 'none'}; timed in turn below"
    in_force = found.attention.exit_code == 0
    return judged(in_force and bool(applied), how if in_force else f"{how}: NOT IN FORCE")
