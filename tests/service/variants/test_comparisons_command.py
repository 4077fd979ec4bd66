"""`pawfect variants comparisons`: from the documents of a store to one sentence, or JSON."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from click.testing import CliRunner

from pawfect_service.process.variants_command import variants
from pawfect_service.stores.base import Change

REPORT = json.dumps(
    {"candidates": [{"number": n, "potential": float(n), "error": None} for n in range(4)]}
)


def document(days: float, *choices: tuple[int, int, str], kind: str = "search") -> dict[str, Any]:
    """A job's document as far as the command reads it."""
    said = [
        {"left": left, "right": right, "choice": choice, "at": 1.0}
        for left, right, choice in choices
    ]
    queued = time.time() - days * 86_400
    return {"jobKind": kind, "queuedAt": queued, "report": REPORT, "jobComparisons": said}


async def ran(store: str, *more: str) -> str:
    arguments = ["comparisons", "--store", store, *more]
    result = await asyncio.to_thread(CliRunner().invoke, variants, arguments)
    assert result.exit_code == 0, result.output
    return result.output


async def test_choices_about_all_searches_of_the_last_days_are_counted(opened, store_url, uid):
    stores = opened()
    documents = (
        document(1, (0, 1, "right"), (3, 2, "right"), (0, 2, "none")),
        document(2, (1, 3, "right"), kind="swap"),
        document(2),
        document(50, (0, 1, "right")),
        document(1, (0, 1, "right"), kind="refine"),
    )
    for number, whole in enumerate(documents):
        await stores.documents.update(uid, f"s{number}", lambda *_, whole=whole: Change(whole))
    told = json.loads(await ran(store_url, "--json"))
    if store_url.startswith("embedded"):
        # The emulator's other tests have searches of their own.
        share = told.pop("share")
        assert told == {"searches": 2, "compared": 4, "decided": 3, "agreed": 2}
        assert share["value"] == pytest.approx(2 / 3)
        assert share["low"] < share["value"] < share["high"]
        assert "2 of 3 choices agree with the search: 66.7% (20.8% to 93.9%" in await ran(store_url)
    assert told["compared"] >= 4
    longer = json.loads(await ran(store_url, "--json", "--days", "60"))
    assert longer["compared"] == told["compared"] + 1


async def test_without_comparisons_nothing_is_claimed(tmp_path):
    told = await ran(f"embedded:{tmp_path}")
    assert told.splitlines() == [
        "0 pairs of 0 searches were compared.",
        "In none of them both people and search prefer one.",
    ]
