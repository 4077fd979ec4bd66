"""`make threats`: take each row's guard out and see the row's test fail, into perf/results.

    python -m perf.threats [--row ID]... [--surface NAME]... [--tables]

Exit code 1 where a row is wrong, its test does not pass with the guard, or does not fail without.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import click

from pawfect.contract.errors import without_paths
from perf.publish import provenance, publish
from perf.threats.page import PAGE, result_page, with_tables
from perf.threats.rows import Row, problems, read_rows
from perf.threats.running import run_tests
from perf.threats.tree import commit_of, copy_tree, without_guard
from perf.threats.verdict import Outcome, Verdict

RESULTS: Final = Path("perf/results")
_PACKAGES: Final = ("pawfect", "pytest", "hypothesis")


@click.command()
@click.option("--row", "ids", multiple=True, metavar="ID", help="A row; all without it.")
@click.option("--surface", "surfaces", multiple=True, metavar="NAME", help="A surface's rows.")
@click.option("--tables", "tables_only", is_flag=True, help="Only write docs/threat-model.md.")
@click.option(
    "--timeout",
    "timeout_s",
    default=300.0,
    metavar="SECONDS",
    show_default=True,
    help="For each run of tests.",
)
@click.option("--root", type=click.Path(path_type=Path), default=Path(), metavar="FOLDER")
def main(
    ids: Sequence[str],
    surfaces: Sequence[str],
    tables_only: bool,
    timeout_s: float,
    root: Path,
) -> None:
    """Take each row's guard out of a copy of the tree and run its test."""
    rows = read_rows(root)
    wrong = [problem for row in rows for problem in problems(row, root)]
    if wrong:
        raise click.ClickException("\n".join(wrong))
    if (page := root / PAGE).is_file():
        page.write_text(with_tables(page.read_text("utf-8"), rows), "utf-8")
    if tables_only:
        return
    chosen = [row for row in rows if _is_chosen(row, ids, surfaces)]
    if not chosen:
        raise click.UsageError("expected a row or a surface of the threat model, got none")
    results = _tried(chosen, root, timeout_s)
    _write(rows, results, root)
    sys.exit(any(not _is_shown(result) for result in results))


def _is_chosen(row: Row, ids: Sequence[str], surfaces: Sequence[str]) -> bool:
    return not (ids or surfaces) or row.id in ids or row.surface in surfaces


def _is_shown(result: Mapping[str, Any]) -> bool:
    return (result["with"], result["without"]) == (Verdict.GREEN, Verdict.RED)


def _tried(rows: Sequence[Row], root: Path, timeout_s: float) -> list[dict[str, Any]]:
    """Return each row's result: its test with the guard, a surface's at once, then without."""
    results, commit = [], commit_of(root)
    with TemporaryDirectory(prefix="threats-") as folder:
        tree = Path(folder)
        copy_tree(root, tree)
        guarded: dict[str, Outcome] = {}
        for row in rows:
            if row.test not in guarded:
                of_surface = [other.test for other in rows if other.surface == row.surface]
                guarded |= run_tests(tree, of_surface, timeout_s)
            begun = time.monotonic()
            with without_guard(row, tree):
                bare = run_tests(tree, [row.test], timeout_s)[row.test]
            seconds = round(time.monotonic() - begun, 1)
            result = _result(row, guarded[row.test], bare, folder)
            results.append(result | {"seconds": seconds, "commit": commit})
            sign = "ok " if _is_shown(result) else "BAD"
            click.echo(f"{sign} {row.id}: {result['with']} -> {result['without']}, {seconds} s")
    return results


def _result(row: Row, guarded: Outcome, bare: Outcome, folder: str) -> dict[str, Any]:
    # The test that fails with its guard says why.
    telling = bare if guarded.verdict is Verdict.GREEN else guarded
    return {
        "id": row.id,
        "surface": row.surface,
        "test": row.test,
        "file": row.file,
        "tried": row.digest,
        "with": str(guarded.verdict),
        "without": str(bare.verdict),
        "where": telling.where,
        "failure": without_paths(telling.failure.replace(f"{folder}/", "")),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _write(rows: Sequence[Row], results: Sequence[Mapping[str, Any]], root: Path) -> None:
    """Write the results, with those that stood there of rows that were not tried now."""
    path = root / RESULTS / "threats.json"
    kept: dict[str, Mapping[str, Any]] = {}
    if path.is_file():
        kept = {result["id"]: result for result in json.loads(path.read_text("utf-8"))["rows"]}
    kept |= {result["id"]: result for result in results}
    result = {
        "source": provenance("python -m perf.threats", _PACKAGES),
        "rows": [kept[row.id] for row in rows if row.id in kept],
    }
    publish(root / RESULTS, "threats", result, result_page(result))


if __name__ == "__main__":
    main()
