"""What is written of the rows: the tables of docs/threat-model.md and the results' page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from perf.publish import as_markdown, table
from perf.threats.rows import Row
from perf.threats.verdict import Verdict

PAGE: Final = Path("docs/threat-model.md")
_BEGIN: Final = "<!-- rows: python -m perf.threats --tables -->\n"
_END: Final = "<!-- end of the rows -->\n"
# What a surface is called on the page; one that is not here goes by its name.
_TITLES: Final = {
    "http": "HTTP: API, WebSocket and page",
    "models": "Files, models, the server, weights, and whatever the product calls",
    "data": "People's data: quotas, deletion, consent",
}


def tables(rows: Sequence[Row]) -> str:
    """Return a table of each surface's rows, in Markdown."""
    parts = []
    for surface in dict.fromkeys(row.surface for row in rows):
        lines = [
            (
                f"`{row.id}`",
                _cell(row.who),
                _cell(row.what),
                f"{_cell(row.guard)} (`{row.file}`)",
                f"`{row.test.replace('::', '` `', 1)}`",
            )
            for row in rows
            if row.surface == surface
        ]
        head = ("row", "who can try it", "what they can try", "what stops it", "test")
        parts.append(f"### {_TITLES.get(surface, surface)}\n\n{table(head, lines)}")
    return "\n".join(parts)


def with_tables(text: str, rows: Sequence[Row]) -> str:
    """Return the page with the rows' tables in the place of what stands between the marks.

    Raises:
        ValueError: the marks are not there.
    """
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{PAGE}: expected the marks of the rows, got none")
    return f"{before}{begin}\n{tables(rows)}\n{end}{after}"


def result_page(result: Mapping[str, Any]) -> str:
    """Return the results' page, in Markdown.

    Args:
        result: `source` as perf.publish.provenance makes it, and `rows` as written to the JSON.
    """
    rows: Iterable[Mapping[str, Any]] = result["rows"]
    red = sum(row["without"] == Verdict.RED for row in rows)
    lines = [
        (
            f"`{row['id']}`",
            f"`{row['test']}`",
            row["with"],
            f"`{row['file']}`",
            row["without"],
            f"{row['where']} {_cell(row['failure'])}".strip(),
            row["seconds"],
            f"{row['commit']}, {row['date']}",
        )
        for row in rows
    ]
    head = ("row", "test", "with the guard", "guard taken out of", "without it", "failure", "s")
    return (
        "# Threats: each guard taken out, and its test\n\n"
        f"{as_markdown(result['source'])}\n"
        f"{red} of {len(lines)} rows: the test passes with the guard and fails without it. "
        "A plus after a commit: files were not as it has them.\n\n"
        f"{table((*head, 'commit, date'), lines)}"
    )


def _cell(text: str) -> str:
    """Return a text that stays in its cell and is no markup."""
    plain = " ".join(text.split()).replace("|", "\\|")
    return plain.replace("<", "&lt;").replace("`", "'")
