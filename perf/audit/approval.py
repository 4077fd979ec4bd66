"""Approved settings into a profile, line by line; all else stays byte for byte as it was."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pawfect.profile import ProfileError, parse_profile
from pawfect.settings import ChainSettings
from perf.audit.cells import Setting
from perf.audit.choice import Choice, Outcome
from perf.audit.journal import AuditError

_VALUE: Final = r"\"[^\"\n]*\"|\[[^\]\n]*\]|[^#\s\[\"][^#\s]*"
# What a profile says of an attention that was approved.
AUDITED: Final = "approved by an audit: of its settings within the budget that of the least loss"

Changes = Mapping[tuple[str, str], Any]


def profile_path(name: str) -> Path:
    """Return the file of a profile that comes with the package."""
    return Path(str(resources.files("pawfect") / "profiles" / f"{name}.toml"))


def chosen_setting(choice: Choice, asked: Mapping[str, Any]) -> Setting:
    """Return the setting to approve: the recommended one, but for what is asked for.

    Args:
        choice: of the run.
        asked: fields of `Setting`; None where nothing is asked. With another engine than the
            recommended setting's, the best setting of that engine stands for the recommended one.

    Raises:
        AuditError: the run is incomplete, recommends nothing, or did not measure the setting or not
            well.
    """
    if choice.missing:
        raise AuditError(f"the run is incomplete: {choice.missing} cells are missing; finish it")
    given = {name: value for name, value in asked.items() if value is not None}
    measured = [one for one in choice.outcomes if given.get("engine") in (None, one.setting.engine)]
    best = next((one for one in measured if choice.in_budget(one)), None)
    setting = _named(measured, given) if best is None else replace(best.setting, **given)
    outcome = next((one for one in measured if one.setting == setting), None)
    if outcome is None:
        raise AuditError(f"the run did not measure this setting: {setting}")
    if not outcome.complete:
        raise AuditError(
            f"not every cell of this setting is done ({outcome.fallen_back} fell back, "
            f"{outcome.failed} failed, {outcome.not_fitting} do not fit the card): {setting}"
        )
    return setting


def _named(measured: Sequence[Outcome], given: Mapping[str, Any]) -> Setting:
    """Return the setting that is named whole.

    What engines may lack, and what runs of old do not have, may be left out.
    """
    needed = {one.name for one in fields(Setting) if one.default is MISSING}
    if measured and all(one.setting.guidance is None for one in measured):
        needed -= {"guidance"}
    if not set(given) >= needed:
        raise AuditError(
            "the run recommends nothing (no complete setting keeps the budget): name a whole "
            "setting, or audit others"
        )
    settings = (one.setting for one in measured)
    alike = (one for one in settings if given.items() <= asdict(one).items())
    return next(alike, Setting(**{"guidance": None, **given}))


def changes_for(choice: Choice, setting: Setting, now: ChainSettings) -> Changes:
    """Return what a setting changes in a profile, by table and key.

    Args:
        choice: of the run.
        setting: approved.
        now: of its engine, in the profile as it is; where another attention is approved than its
            own, its reason is written too.

    Working sizes are the approved one and those below it that were measured with the same settings:
    a small hole keeps its small canvas.
    """
    engine = setting.engine
    sizes = sorted(
        one.setting.size
        for one in choice.outcomes
        if one.complete
        and one.setting.size <= setting.size
        and replace(one.setting, size=setting.size) == setting
    )
    own: dict[str, Any] = {
        "sizes": sizes,
        "steps": setting.steps,
        "guidance_scale": None if setting.guidance is None else f"{setting.guidance:g}",
        "strength": f"{setting.strength:g}",
        "references": None if setting.references is None else str(setting.references).lower(),
        "tile_px": setting.tile_px,
        "attention": None if setting.attention is None else f'"{setting.attention}"',
    }
    if setting.attention not in (None, now.attention):
        own["attention_reason"] = f'"{AUDITED}"'
    changes: dict[tuple[str, str], Any] = {
        ("weights", f"{engine}_transformer"): f'"{setting.quantisation}"'
    }
    # A table is named as its engine.
    return changes | {(engine, key): value for key, value in own.items() if value is not None}


def rewritten(name: str, text: str, changes: Changes) -> str:
    """Return a profile's text with some values changed, and nothing else.

    Args:
        name: the profile's, for its check.
        text: of its file.
        changes: values, as TOML writes them, by table and key; each key must stand on one line.

    Raises:
        AuditError: a key is not there, or the result is no profile.
    """
    for (table, key), value in changes.items():
        # To the key, past no other table's head.
        head = rf"(?ms)(^\[{table}\](?:(?!^\[).)*?^{key}\s*=\s*)(?:{_VALUE})(?=\s*(?:#|$))"
        text, count = re.subn(head, rf"\g<1>{value}", text, count=1)
        if not count:
            raise AuditError(f"profile {name}: expected {table}.{key} on a line of its own")
    try:
        parse_profile(name, tomllib.loads(text))
    except (ProfileError, tomllib.TOMLDecodeError) as error:
        raise AuditError(str(error)) from None
    return text


def difference(name: str, before: str, after: str) -> str:
    """Return what changes, as a unified diff; empty where nothing does."""
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    return "".join(difflib.unified_diff(old, new, f"{name}.toml", f"{name}.toml, approved", n=1))
