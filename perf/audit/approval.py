"""Approved settings into a profile, line by line; all else stays byte for byte as it was."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pawfect.profile import ProfileError, parse_profile
from pawfect.settings import FluxSettings
from perf.audit.cells import Setting
from perf.audit.choice import Choice
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
        asked: fields of `Setting`; None where nothing is asked.

    Raises:
        AuditError: the run is incomplete, recommends nothing, did not measure the setting or not
            well; or the setting is none that a profile can hold.
    """
    if choice.missing:
        raise AuditError(f"the run is incomplete: {choice.missing} cells are missing; finish it")
    given = {name: value for name, value in asked.items() if value is not None}
    if choice.recommended is not None:
        setting = replace(choice.recommended.setting, **given)
    elif set(given) >= {one.name for one in fields(Setting) if one.default is MISSING}:
        measured = (one.setting for one in choice.outcomes)
        alike = (one for one in measured if given.items() <= asdict(one).items())
        setting = next(alike, Setting(**given))
    else:
        raise AuditError(
            "the run recommends nothing (no complete setting keeps the budget): name a whole "
            "setting, or audit others"
        )
    outcome = next((one for one in choice.outcomes if one.setting == setting), None)
    if outcome is None:
        raise AuditError(f"the run did not measure this setting: {setting}")
    if not outcome.complete:
        raise AuditError(
            f"not every cell of this setting is done ({outcome.fallen_back} fell back, "
            f"{outcome.failed} failed, {outcome.not_fitting} do not fit the card): {setting}"
        )
    if setting.strength != 1.0:
        raise AuditError(
            f"strength {setting.strength:g}: a profile holds none (requests say it); approve a "
            "setting of strength 1, with --strength 1"
        )
    return setting


def changes_for(choice: Choice, setting: Setting, now: FluxSettings | None = None) -> Changes:
    """Return what a setting changes in a profile, by table and key.

    Args:
        choice: of the run.
        setting: approved.
        now: of the profile as it is; where another attention is approved than its own, its reason
            is written too.

    Working sizes are the approved one and those below it that were measured with the same settings:
    a small hole keeps its small canvas.
    """
    sizes = sorted(
        one.setting.size
        for one in choice.outcomes
        if one.complete
        and one.setting.size <= setting.size
        and replace(one.setting, size=setting.size) == setting
    )
    changes: dict[tuple[str, str], Any] = {
        ("weights", "flux_transformer"): f'"{setting.quantisation}"',
        ("flux", "sizes"): sizes,
        ("flux", "steps"): setting.steps,
        ("flux", "guidance_scale"): f"{setting.guidance:g}",
    }
    if setting.tile_px is not None:
        changes["flux", "tile_px"] = setting.tile_px
    if setting.attention is not None:
        changes["flux", "attention"] = f'"{setting.attention}"'
        if now is not None and now.attention != setting.attention:
            changes["flux", "attention_reason"] = f'"{AUDITED}"'
    return changes


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
