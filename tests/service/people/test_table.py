"""The table of docs/people-data.md, held against what the code does."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.jobs.message import JobMessage
from pawfect_service.jobs.paths import RunId, attempt_path, session_path
from pawfect_service.people.kept import kept_of
from pawfect_service.people.retention import Retention
from pawfect_service.stores.base import Change
from tests.service.people.raw import raw_of, where
from tests.service.repeat import Repeat
from tests.service.stack import Stack, running

DOCS = Path(__file__).parents[3] / "docs"
UID = "person-4711"
RUN = RunId("0" * 32, UID)
# What stands in each thing that the table names.
CANARIES = {
    name: f"canary-{number:02d}"
    for number, name in enumerate(
        (
            "documents of sessions", "documents of a run's versions", "files of sessions and runs",
            "attempts of killed workers", "references", "ratings and comments", "comparisons",
            "jobs without an end", "messages of the queue", "dead letters",
            "uploads of a product's own", "consent to swaps", "what quotas count", "audits",
        )
    )
}  # fmt: skip


def table() -> dict[str, dict[str, str]]:
    """The rows of the table by their first cell, by the columns' names."""
    text = (DOCS / "people-data.md").read_text()
    lines = re.search(r"^\| what \| after.*?(?=\n\n)", text, re.M | re.S)
    assert lines is not None
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()
    ]
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def test_the_table_names_what_is_made_here_and_gives_each_its_reason() -> None:
    assert list(table()) == list(CANARIES)
    assert all(len(row["why"]) > 10 for row in table().values())


async def make(stack: Stack, audits: Path) -> None:
    """One of each, all as old as can be."""
    one, old = CANARIES, {"updatedAt": 1.0}
    await stack.edit_of(UID, "s", {**old, "said": one["documents of sessions"]})
    said = {
        "said": one["documents of a run's versions"],
        "jobFeedback": {"comment": one["ratings and comments"]},
        "jobComparisons": [{"choice": one["comparisons"]}],
    }
    await stack.edit_of(UID, RUN.sid(1), {**old, **said})
    job = await stack.app.state.context.enqueuer.enqueue(UID, "pending", *_order())
    assert job.expires_at is not None

    def age(document: Mapping[str, object] | None, now: float) -> object:
        return Change({**(document or {}), **old, "said": one["jobs without an end"]})

    await stack.documents.update(UID, "pending", age)
    files = {
        session_path(UID, "s", "edited.jpg"): "files of sessions and runs",
        attempt_path(UID, "s", "j", 1, "edited.jpg"): "attempts of killed workers",
        f"users/{UID}/references/{RUN.token}/a.jpg": "references",
        f"users/{UID}/uploads/a.jpg": "uploads of a product's own",
    }
    await stack.files.put({path: one[name].encode() for path, name in files.items()})
    queue = stack.services.stores.queue
    deliveries = queue.deliveries(2)
    await anext(deliveries)  # the pending job's
    await queue.publish(JobMessage(UID, "s", one["dead letters"]).to_bytes(), {})
    await queue.bury(await anext(deliveries), "why")
    await deliveries.aclose()  # type: ignore[attr-defined]
    await queue.publish(JobMessage(UID, "s", one["messages of the queue"]).to_bytes(), {})
    records = stack.services.stores.records
    await records.add_consent(UID, "j", {"said": one["consent to swaps"]})
    await records.update_quota(UID, lambda *_: Change({"said": one["what quotas count"]}))
    audit = audits / UID / "s" / "audit"
    audit.mkdir(parents=True)
    note = {
        "matrix": one["audits"], "prompts": {}, "truth": False, "runsBefore": 0,
        "startedAt": 1.0, "endedAt": 2.0, "error": None, "published": False,
    }  # fmt: skip
    (audit / "note.json").write_text(json.dumps(note))


def _order() -> tuple[Repeat, object]:
    from pawfect_service.api.uploads import Order
    from pawfect_service.jobs.kinds import KINDS

    return KINDS["repeat"], Order({"text": b"ab"}, {"times": 1})  # type: ignore[return-value]


@pytest.mark.parametrize("days", [30.0])
async def test_every_row_of_the_table_is_what_happens(
    store: str, nowhere: str, repeat: Repeat, tmp_path: Path, days: float
) -> None:
    audits = tmp_path / "audits"
    key, line = new_api_key("ops", "*", admin=True)
    headers = {"x-api-key": key}
    async with running(
        store, nowhere, [ApiKeys([line])], headers=headers, audits=audits, keep_days=days
    ) as stack:

        def there() -> dict[str, bool]:
            raw = raw_of(store, audits)
            return {name: bool(where(raw, canary)) for name, canary in CANARIES.items()}

        await make(stack, audits)
        assert all(there().values())

        answer = await stack.http.get(f"/v1/users/{UID}/export")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
            whole = b"".join(map(found.read, found.namelist()))
        sent = {name: canary.encode() in whole for name, canary in CANARIES.items()}
        assert sent == {name: row["export"] == "yes" for name, row in table().items()}

        sweeps = Retention(stack.services.stores, days)
        while (await sweeps.sweep()).more:
            pass
        await stack.app.state.audits.sweep(days)()
        stays = {name: row["after `--keep-days`"] == "stay" for name, row in table().items()}
        assert there() == stays

        await make_again(stack, audits)
        assert all(there().values())
        said = (await stack.http.delete(f"/v1/users/{UID}")).json()["deleted"]
        assert there() == {name: row["deletion"] != "deleted" for name, row in table().items()}
        assert set(said) == {"audits", *(kept.name for kept in kept_of(stack.services))}
        assert all(said.values())


async def make_again(stack: Stack, audits: Path) -> None:
    """One of each once more, but for the job that is there still."""
    await stack.documents.delete(UID, "pending")
    queue = stack.services.stores.queue
    await queue.forget(await queue.messages(UID, "pending"))
    await make(stack, audits)
