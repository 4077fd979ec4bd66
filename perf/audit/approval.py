"""Approved settings into a profile, line by line; all else stays byte for byte as it was."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from pawfect.profile import ProfileError, parse_profile
from perf.audit.cells import Setting
from perf.audit.choice import Choice
from perf.audit.journal import AuditError

_VALUE = r"\"(?:[^\"\\]|\\.)*\"|\[[^\]\n]*\]|[^#\s\[\"][^#\s]*"

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
    elif set(given) == set(Setting.__dataclass_fields__):
        setting = Setting(**given)
    else:
        raise AuditError(
            "the run recommends nothing (no complete setting keeps the budget): name a whole "
            "setting, or audit others"
        )
    outcome = choice.of(setting)
    if outcome is None:
        raise AuditError(f"the run did not measure this setting: {_told(setting)}")
    if not outcome.complete:
        raise AuditError(
            f"not every cell of this setting is done ({outcome.fallen_back} fell back, "
            f"{outcome.failed} failed): {_told(setting)}"
        )
    if setting.strength != 1.0:
        raise AuditError(
            f"strength {setting.strength:g}: a profile holds none (requests say it); approve a "
            "setting of strength 1, with --strength 1"
        )
    return setting


def changes_for(choice: Choice, setting: Setting) -> Changes:
    """Return what a setting changes in a profile, by table and key.

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
    return {
        ("weights", "flux_transformer"): setting.quantisation,
        ("flux", "sizes"): sizes,
        ("flux", "steps"): setting.steps,
        ("flux", "guidance_scale"): setting.guidance,
    }


def rewritten(name: str, text: str, changes: Changes) -> str:
    """Return a profile's text with some values changed, and nothing else.

    Args:
        name: the profile's, for its check.
        text: of its file.
        changes: values by table and key; each key must stand on one line of its own.

    Raises:
        AuditError: a key is not there, or the result is no profile.
    """
    lines, table, left = text.splitlines(keepends=True), "", dict(changes)
    for index, line in enumerate(lines):
        header = re.match(r"\s*\[([^\[\]]+)\]", line)
        if header:
            table = header.group(1).strip()
            continue
        entry = re.match(rf"(\s*([A-Za-z0-9_]+)\s*=\s*)({_VALUE})(\s*(?:#.*)?\s*)$", line)
        if entry and (table, entry.group(2)) in left:
            value = left.pop((table, entry.group(2)))
            lines[index] = entry.group(1) + _as_toml(value) + entry.group(4)
    if left:
        raise AuditError(f"profile {name}: expected {_keys(left)} on lines of their own")
    result = "".join(lines)
    expected = deepcopy(tomllib.loads(text))
    for (table, key), value in changes.items():
        expected[table][key] = value
    if tomllib.loads(result) != expected:
        raise AuditError(f"profile {name}: its file is laid out in a way that cannot be changed")
    try:
        parse_profile(name, expected)
    except ProfileError as error:
        raise AuditError(str(error)) from None
    return result


def difference(name: str, before: str, after: str) -> str:
    """Return what changes, as a unified diff; empty where nothing does."""
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            f"{name}.toml",
            f"{name}.toml, approved",
            n=1,
        )
    )


def _as_toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(str(item) for item in value)}]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def _keys(changes: Changes) -> str:
    return ", ".join(f"{table}.{key}" for table, key in changes)


def _told(setting: Setting) -> str:
    return ", ".join(f"{name} {value}" for name, value in vars(setting).items())
