"""The auditor catches what is planted: a lost job, a doubled publication, a changed pixel."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import httpx
import numpy as np
import pytest
from PIL import Image

from pawfect.photo.photo import decode_photo
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.fields import Cost
from pawfect_service.jobs.kinds import INPAINT
from pawfect_service.jobs.kinds.pictures import edited_jpeg, preview_jpeg
from pawfect_service.jobs.message import JobMessage
from pawfect_service.jobs.moves import cancel, claim_result, complete, extend_lease, take_up
from pawfect_service.jobs.moves import queue_job as queue
from pawfect_service.sessions import Sessions
from pawfect_service.stores import open_stores
from perf.service.soak import audit, schedule
from perf.service.soak.clients import Clients
from perf.service.soak.history import History, Move
from perf.service.soak.ledger import BROKEN, Accepted, Ledger
from perf.service.soak.orders import materials

# Two deliveries and the work begins, without labels.
CONTRACT = JobContract(label_waits=1)
COST = Cost(amount=0.0, unit="USD", seconds=1.0)


def accepted(sid: str = "s1", **more) -> Accepted:
    url = f"/v1/users/u/sessions/{sid}"
    return Accepted("u", sid, "j1", schedule.SESSION, "ground 0", url, 0.0, **more)


def document(status: str, job: str = "j1", error: dict | None = None) -> dict:
    return {"job": job, "processingStatus": status, "error": error}


def move(number: int, status: str, result: str | None = None, cost: str | None = None) -> Move:
    fields = {"processingStatus": status, "job": "j1", "result": result, "cost": cost}
    return Move(number, "u", "s1", fields | {"report": result})


# --- what the store committed ---------------------------------------------------------------


@pytest.fixture
async def store(tmp_path):
    """An embedded store with a history, and moves of one session."""
    stores = open_stores(f"embedded:{tmp_path}", CONTRACT)
    history = History(tmp_path)
    sessions = Sessions(stores.documents, CONTRACT)

    async def do(what, **named):
        return await sessions.move("u", "s1", what, job="j1", **named)

    yield stores, history, do
    await stores.close()


async def worked(do) -> None:
    """Queue a job and bring it to its end."""
    await do(queue, kind=INPAINT, request={})
    for _ in range(2):
        await do(take_up, owner="w")
    await do(extend_lease, owner="w")
    await do(claim_result, owner="w", report="{}", cost=COST)
    await do(complete)


async def test_a_jobs_whole_way_is_written_down_by_the_store_itself(store):
    _, history, do = store
    await worked(do)
    found = history.since(0)
    statuses = [one.fields["processingStatus"] for one in found]
    assert statuses[0] == "pending"
    assert statuses[-1] == "completed"
    # The lease's beats change neither status nor result.
    assert len(found) <= 5
    moves = audit.Moves()
    assert moves.take(found) == []
    assert dict(moves.completed) == {"u/s1/j1": 1}
    assert moves.running == {}
    assert history.since(moves.number) == []


async def test_a_second_publication_is_caught_that_leaves_the_same_document(store, tmp_path):
    _, history, do = store
    await worked(do)
    moves = audit.Moves()
    moves.take(history.since(0))
    with closing(sqlite3.connect(tmp_path / "sessions.sqlite3")) as connection, connection:
        (body,) = connection.execute("SELECT body FROM documents").fetchone()
        done = json.loads(body)
        for status in ("processing", "completed"):
            again = json.dumps(done | {"processingStatus": status})
            connection.execute("REPLACE INTO documents VALUES ('u', 's1', ?, 99, NULL)", (again,))
    assert history.documents()["u", "s1"] == done
    assert moves.take(history.since(moves.number)) == [
        "u/s1/j1: completed became processing",
        "u/s1/j1: published 2 times",
    ]


@pytest.mark.parametrize("name", ["cost", "report"])
async def test_a_second_cost_or_report_is_caught_where_nothing_else_changes(store, tmp_path, name):
    _, history, do = store
    await worked(do)
    moves = audit.Moves()
    moves.take(history.since(0))
    done = history.documents()["u", "s1"]
    other = {"cost": done["cost"] | {"amount": 2.0}, "report": "[]"}[name]
    with closing(sqlite3.connect(tmp_path / "sessions.sqlite3")) as connection, connection:
        again = json.dumps(done | {name: other})
        connection.execute("REPLACE INTO documents VALUES ('u', 's1', ?, 99, NULL)", (again,))
    assert moves.take(history.since(moves.number))[0] == f"u/s1/j1: {name} was written twice"


async def test_a_document_without_a_job_leaves_its_moves_too(store, tmp_path):
    _, history, _ = store
    with closing(sqlite3.connect(tmp_path / "sessions.sqlite3")) as connection, connection:
        for status in ("pending", "processing"):
            body = json.dumps({"processingStatus": status})
            connection.execute("REPLACE INTO documents VALUES ('u', 's1', ?, 99, NULL)", (body,))
    statuses = [one.fields["processingStatus"] for one in history.since(0)]
    assert statuses == ["pending", "processing"]


def test_another_result_another_cost_and_another_end_are_doubled():
    claimed, other = '{"start": 1}', '{"start": 2}'
    moves = audit.Moves()
    assert moves.take([move(1, "pending"), move(2, "processing", claimed, "{}")]) == []
    assert moves.running == {"u/s1/j1": "processing"}
    assert moves.take([move(3, "processing", other, '{"amount": 2}')]) == [
        "u/s1/j1: result was written twice",
        "u/s1/j1: cost was written twice",
        "u/s1/j1: report was written twice",
    ]
    moves.take([move(4, "completed", other, '{"amount": 2}')])
    assert "u/s1/j1: completed, then failed" in moves.take([move(5, "failed", other)])


# --- what clients were told -------------------------------------------------------------------


def test_a_lost_job_is_caught_in_each_form():
    ledger = Ledger()
    for sid in ("ended", "gone", "other", "waits"):
        ledger.accept(accepted(sid))
    documents = {
        ("u", "ended"): document("completed"),
        ("u", "other"): document("completed", job="j2"),
        ("u", "waits"): document("processing"),
    }
    gone = [
        f"u/gone: {schedule.SESSION}, its document is gone",
        f"u/other: {schedule.SESSION}, the document is of another job",
    ]
    waits = f"u/waits: {schedule.SESSION}, still processing"
    assert audit.lost(ledger, documents) == ([*gone, waits], [])
    # One whose message is there ends later.
    assert audit.lost(ledger, documents, {("u", "waits")}) == (gone, [waits])


def test_a_job_whose_document_another_one_has_taken_before_its_end_is_lost():
    moves = audit.Moves()
    moves.take([move(1, "pending"), move(2, "processing")])
    assert audit.displaced(moves, {("u", "s1"): document("completed")}) == []
    other = {("u", "s1"): document("completed", job="j2")}
    says = "u/s1/j1: processing, and another job took its place"
    assert audit.displaced(moves, other) == [says]
    moves.take([move(3, "cancelled")])
    assert audit.displaced(moves, other) == []


async def asked_again(answer: httpx.Response | Exception, job: Accepted) -> Ledger:
    """Let a client that asks twice get this answer the second time; nobody else answers."""

    async def send() -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    clients = Clients("http://127.0.0.1:9", Ledger())
    await clients._again(send, clients.ledger.accept(job))
    await clients.http.aclose()
    return clients.ledger


async def test_a_client_that_asks_twice_knows_the_job_it_was_told_last_and_no_other():
    for answer, known in (
        (httpx.Response(202, json={"job": "j1"}), "j1"),
        (httpx.Response(202, json={"job": "j2"}), "j2"),
        (httpx.Response(429), "j1"),
        # Nobody was told which job there is now.
        (httpx.Response(503), None),
        (httpx.ReadError("broken off"), None),
    ):
        job = accepted()
        ledger = await asked_again(answer, job)
        assert job.job == known
        documents = {("u", "s1"): document("completed", job="j2")}
        assert bool(audit.lost(ledger, documents)[0]) is (known == "j1")


NO_MODEL = document("failed", error={"kind": "UNAVAILABLE", "message": "it has no edit model"})


@pytest.mark.parametrize(
    ("job", "ended", "says"),
    [
        (accepted(), document("completed"), None),
        (accepted(cancelled=True), document("cancelled"), None),
        (accepted(hopeless=BROKEN), document("failed", error={"kind": BROKEN}), None),
        (accepted(hopeless="no edit model"), NO_MODEL, None),
        (accepted(hopeless=BROKEN), NO_MODEL, "failed: UNAVAILABLE"),
        (accepted(hopeless="no edit model"), document("cancelled"), "nobody asked"),
        (accepted(), document("cancelled"), "nobody asked"),
        (accepted(), document("failed", error={"kind": "INVALID_ARG"}), "failed: INVALID_ARG"),
        (accepted(hopeless=BROKEN), document("completed"), "completed, expected INVALID_ARG"),
        (accepted(ended="completed"), document("cancelled"), "a client saw completed"),
    ],
)
def test_an_end_is_right_or_says_why_not(job, ended, says):
    found = audit.wrong_end(job, ended)
    assert found is None if says is None else says in found


def test_a_job_that_used_up_its_tries_is_told_apart():
    away = document("failed", error={"kind": "UNAVAILABLE"})
    assert audit.given_up(accepted(), away)
    assert not audit.given_up(accepted(hopeless=BROKEN), away)
    assert not audit.given_up(accepted(), document("failed", error={"kind": "INVALID_ARG"}))


def test_a_job_that_was_given_up_after_a_client_saw_its_end_is_wrong_as_well():
    ledger = Ledger()
    ledger.accept(accepted(ended="completed"))
    away = document("failed", error={"kind": "UNAVAILABLE", "message": "no server"})
    tired, wrong = audit.ends(ledger, {("u", "s1"): away})
    assert len(tired) == 1
    assert "a client saw completed, the store says failed" in wrong[0]


def test_the_same_session_with_another_job_is_noted():
    ledger = Ledger()
    ledger.accept(accepted())
    ledger.accept(replace(accepted(), job="j2"))
    assert ledger.wrong == ["u/s1: job j1 became j2"]


# --- pictures ---------------------------------------------------------------------------------


def result_files(changed: tuple[int, int] | None = None, filled: bool = True) -> dict[str, bytes]:
    """The files of a filled picture; one px more is changed."""
    photo = decode_photo(materials()["ground 0"].photo, "photo")
    pixels = photo.pixels.copy()
    if filled:
        pixels[110:130, 150:170] = 90
    if changed:
        pixels[changed] = 255 - pixels[changed]
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    edited, preview = edited_jpeg(photo, pixels, "patch"), preview_jpeg(photo, pixels)
    return {"edited": edited, "preview": preview, "image": written.getvalue()}


def test_one_changed_pixel_outside_the_mask_is_caught_with_and_without_loss():
    run = replace(accepted(), kind="run inpaint")
    for job in (accepted(), run):
        assert audit.wrong_files(job, result_files(), "ground 0") == []
        (found,) = audit.wrong_files(job, result_files((5, 300)), "ground 0")
        assert "px changed outside the mask" in found
    assert audit.wrong_files(run, result_files((5, 300)), "ground 0") == [
        "1 px changed outside the mask"
    ]


def test_a_photo_that_comes_back_as_it_was_is_no_result():
    says = ["nothing changed inside the mask"]
    run = replace(accepted(), kind="run inpaint")
    for job in (accepted(), run):
        assert audit.wrong_files(job, result_files(filled=False), "ground 0") == says
    # Nor is the file that came, whose bytes are another JPEG's.
    sent = result_files() | {"edited": materials()["ground 0"].photo}
    assert says[0] in audit.wrong_files(accepted(), sent, "ground 0")
    for name in ("region", "sign"):
        written = io.BytesIO()
        Image.fromarray(materials()[name].pixels).save(written, "PNG")
        image = result_files() | {"image": written.getvalue()}
        assert audit.wrong_files(replace(accepted(), kind=schedule.REGION), image, name) == says


def test_a_file_that_changed_after_a_client_fetched_it_is_caught():
    files = result_files()
    job = accepted(digests={"edited": hashlib.sha256(files["edited"]).hexdigest()})
    assert audit.wrong_files(job, files, "ground 0") == []
    other = files | {"edited": result_files((112, 152))["edited"]}
    assert audit.wrong_files(job, other, "ground 0") == [
        "edited is not the one that a client has fetched"
    ]


def test_a_missing_and_a_broken_file_are_caught():
    files = result_files()
    (broken,) = audit.wrong_files(accepted(), files | {"edited": files["edited"][:900]}, "ground 0")
    assert "a broken result" in broken
    (missing,) = audit.wrong_files(accepted(), {"preview": files["preview"]}, "ground 0")
    assert "a broken result: KeyError" in missing


def test_a_cut_outs_colours_and_alpha_are_held_against_the_photo():
    job = replace(accepted(), kind=schedule.CUTOUT)
    pixels = materials()["dog"].pixels
    alpha = np.zeros(pixels.shape[:2], np.uint8)
    alpha[50:200, 50:200] = 255

    def files(colour, shown) -> dict[str, bytes]:
        made = {}
        for name, array in (("cutout", np.dstack([colour, shown])), ("alpha", alpha)):
            written = io.BytesIO()
            Image.fromarray(array).save(written, "PNG")
            made[name] = written.getvalue()
        return made | {"preview": made["cutout"]}

    assert audit.wrong_files(job, files(pixels, alpha), "dog") == []
    other = pixels.copy()
    other[60, 60] ^= 1
    assert audit.wrong_files(job, files(other, alpha), "dog") == ["1 px changed outside the mask"]
    (found,) = audit.wrong_files(job, files(pixels, alpha // 2), "dog")
    assert "another alpha" in found
    alpha[:] = 255
    assert audit.wrong_files(job, files(pixels, alpha), "dog") == ["nothing is cut out"]
    alpha[:] = 0
    assert audit.wrong_files(job, files(pixels, alpha), "dog") == ["nothing is cut out"]


async def test_a_cancelled_job_is_no_lost_one(store):
    _, history, do = store
    await do(queue, kind=INPAINT, request={})
    moves = audit.Moves()
    moves.take(history.since(0))
    assert moves.running
    ledger = Ledger()
    job = ledger.accept(accepted(cancelled=True))
    assert audit.lost(ledger, history.documents(), history.queued())[0] != []
    await store[0].queue.publish(JobMessage("u", "s1", "j1").to_bytes(), {})
    assert history.queued() == {("u", "s1")}
    assert audit.lost(ledger, history.documents(), history.queued())[0] == []
    sessions = Sessions(store[0].documents, CONTRACT)
    await sessions.move("u", "s1", cancel)
    assert audit.lost(ledger, history.documents()) == ([], [])
    assert audit.wrong_end(job, history.documents()["u", "s1"]) is None
    moves.take(history.since(moves.number))
    assert moves.ends == {"u/s1/j1": "cancelled"}
