"""The moves one by one."""

from __future__ import annotations

import pytest

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs import moves as t
from pawfect_service.jobs.contract import JobContract, Status
from pawfect_service.jobs.document import MAX_REPORT
from pawfect_service.jobs.fields import Progress
from tests.service.jobs.session import AWAY, CONTRACT, COST, LABELS, RunSession, Session


def test_a_job_goes_from_its_queueing_to_its_one_result():
    session = Session()
    assert session.start() is t.Answer.RUN
    session.now += 20
    progress = Progress(stage="denoise", share=0.5)
    assert session("extend_lease", job="j1", owner="w1", progress=progress) is t.Answer.GO_ON
    assert session.session.progress == progress
    assert session.claim() is t.Answer.WON
    assert session("cancel") is t.Answer.FINISHING
    assert session.complete() is t.Answer.COMPLETED
    done = session.session
    assert done.processing_status is Status.COMPLETED
    assert (done.cost, done.lease, done.expires_at) == (COST, None, None)
    assert done.progress == Progress(stage="done", share=1.0)
    assert done.paths["edited"] == "users/u/sessions/s/edited.jpg"
    assert session.start("w2") is t.Answer.OVER
    assert session("cancel") is t.Answer.OVER


def test_a_request_that_failed_cancels_its_own_job_alone():
    session = Session()
    session.start()
    assert session("withdraw", job="another") is t.Answer.OVER
    assert session.session.processing_status is Status.PROCESSING
    assert session("withdraw", job="j1") is t.Answer.CANCELLED
    assert session("withdraw", job="j1") is t.Answer.OVER


def test_a_request_that_failed_leaves_a_job_that_another_was_given_too():
    session = Session()
    again = {"job": "j2", "request": {"seed": 3}}
    assert session("queue_job", **again) is t.Answer.UNDER_WAY
    assert session("withdraw", job="j1") is t.Answer.UNDER_WAY
    assert session.session.processing_status is Status.PENDING
    assert session("cancel") is t.Answer.CANCELLED, "whoever cancels means it"
    assert session("withdraw", job="j1") is t.Answer.OVER
    assert session("queue_job", **again) is t.Answer.QUEUED
    assert session("withdraw", job="j2") is t.Answer.CANCELLED, "a new job is its own request's"


def test_a_transaction_that_is_run_again_answers_the_same():
    session = Session()
    again = {"job": "j1", "request": {"seed": 3}}
    assert session("queue_job", **again) is t.Answer.QUEUED
    for _ in range(2):
        assert session.start() is t.Answer.RUN
    assert session.session.counts.starts == 1
    for _ in range(2):
        assert session.claim() is t.Answer.WON
    assert session.session.cost == COST


def test_only_the_holder_of_the_lease_may_move_the_job():
    session = Session()
    session.start()
    assert session.start("w2") is t.Answer.BUSY
    session.now += CONTRACT.lease_s
    assert session.start("w2") is t.Answer.RUN
    mine = {"job": "j1", "owner": "w1"}
    before = session.document
    assert session.claim("w1") is t.Answer.BUSY
    for move in ("extend_lease", "put_back", "result_gone"):
        assert session(move, **mine) is t.Answer.BUSY
    for move in ("passing_failure", "permanent_failure"):
        assert session(move, **mine, error=AWAY) is t.Answer.BUSY
    assert session.document == before
    assert session.claim("w2") is t.Answer.WON
    assert session.session.result.outputs["edited"].endswith("attempts/j1-2-edited.jpg")


def test_waits_for_labels_end_by_their_number_or_their_deadline_or_an_error():
    for ended_by in ("number", "deadline", "error"):
        session = Session()
        session.document = {**session.document, "sceneLabels": None}
        waits = 0
        while session.start() is t.Answer.WAIT_FOR_LABELS:
            waits += 1
            assert session.session.processing_status is Status.PENDING
            if ended_by == "deadline":
                session.now += 8
            if ended_by == "error":
                session("set_labels_error", job="j1", error=AWAY)
        assert waits == {"number": CONTRACT.label_waits, "deadline": 2, "error": 1}[ended_by]
        assert session.session.counts.starts == 1
        assert session.session.counts.label_waits == waits


def test_labels_that_come_late_are_kept_and_the_first_ones_stay():
    session = Session()
    assert session("set_labels", job="j1", labels=LABELS) is t.Answer.OVER
    assert session("set_labels", job="j0", labels=LABELS) is t.Answer.OVER
    assert session("set_labels_error", job="j1", error=AWAY) is t.Answer.OVER
    session.document = {**session.document, "sceneLabels": None}
    session("cancel")
    assert session("set_labels_error", job="j1", error=AWAY) is t.Answer.RECORDED
    assert session("set_labels", job="j1", labels=LABELS) is t.Answer.RECORDED
    assert session.session.scene_labels_error is None
    assert session.session.processing_status is Status.CANCELLED


def test_passing_failures_are_counted_until_the_next_one_fails_the_job():
    session = Session()
    for count in range(CONTRACT.passing_failures + 1):
        assert session.start(f"w{count}") is t.Answer.RUN
        answer = session("passing_failure", job="j1", owner=f"w{count}", error=AWAY)
    assert answer is t.Answer.FAILED
    error = session.session.error
    assert error.kind == "UNAVAILABLE"
    assert error.message.startswith("server: away?xxx")


@pytest.mark.parametrize("failure", ["passing_failure", "permanent_failure"])
def test_no_failure_takes_a_claimed_result_away_and_publications_bound_them(failure):
    session = Session()
    for count in range(CONTRACT.passing_failures):
        session.start(f"w{count}")
        session("passing_failure", job="j1", owner=f"w{count}", error=AWAY)
    session.start("p0")
    assert session.claim("p0") is t.Answer.WON
    for count in range(CONTRACT.publications):
        assert session(failure, job="j1", owner=f"p{count}", error=AWAY) is t.Answer.PUT_BACK
        held = session.session
        assert (held.processing_status, held.lease) == (Status.PROCESSING, None)
        assert held.counts.passing_failures == CONTRACT.passing_failures
        assert held.counts.publications == count
        assert (held.cost, held.error) == (COST, None)
        assert session.start(f"p{count + 1}") is t.Answer.PUBLISH
    assert session(failure, job="j1", owner=f"p{count + 1}", error=AWAY) is t.Answer.PUT_BACK
    assert session.start("late") is t.Answer.FAILED
    assert session.session.error.message.startswith("publications: expected an end within")


def test_a_claimed_result_without_its_files_fails_by_whoever_holds_the_lease():
    session = Session()
    session.start()
    session.claim()
    assert session("result_gone", job="j1", owner="w2") is t.Answer.BUSY
    assert session("result_gone", job="j1", owner="w1") is t.Answer.FAILED
    assert session.session.error.message == "result: expected its files, they are gone"
    assert session.session.cost == COST
    assert session("result_gone", job="j1", owner="w1") is t.Answer.OVER


def test_starts_that_die_and_publications_that_die_are_bounded():
    session, starts = Session(), 0
    while session.start(f"w{starts}") is t.Answer.RUN:
        starts, session.now = starts + 1, session.now + CONTRACT.lease_s
    assert (starts, session.session.processing_status) == (CONTRACT.starts, Status.FAILED)
    session, publications = Session(), 0
    session.start()
    session.claim()
    session.now += CONTRACT.lease_s
    while session.start(f"p{publications}") is t.Answer.PUBLISH:
        publications, session.now = publications + 1, session.now + CONTRACT.lease_s
    assert publications == CONTRACT.publications
    assert session.session.processing_status is Status.FAILED
    assert session.session.cost == COST


def test_nothing_starts_after_the_jobs_deadline_but_a_claimed_result_is_published():
    session = Session()
    session.now += CONTRACT.job_s
    assert session.start() is t.Answer.FAILED
    assert session.session.error.kind == "DEADLINE"
    session = Session()
    session.start()
    session.claim()
    session.now += CONTRACT.job_s
    assert session.start("w2") is t.Answer.PUBLISH
    assert session.complete() is t.Answer.COMPLETED


def test_a_lease_is_never_extended_beyond_the_longest_fill():
    session, mine = Session(), {"job": "j1", "owner": "w1"}
    session.start()
    end = session.now + CONTRACT.fill_s
    while session("extend_lease", **mine) is t.Answer.GO_ON:
        assert session.session.lease.until <= end
        session.now += 10
    assert session.now == end
    assert session("extend_lease", **mine) is t.Answer.LATE


def test_a_clock_that_goes_back_holds_no_lease_longer_than_a_lease():
    session = Session()
    session.start()
    session.now -= 86_400
    assert session.start("w2") is t.Answer.BUSY
    session.now += CONTRACT.lease_s
    assert session.start("w2") is t.Answer.RUN


def test_a_new_job_is_a_new_generation_of_a_session_that_is_over_only():
    session = Session()
    asked = {"request": {}}
    assert session("queue_job", **asked, job="j2") is t.Answer.TAKEN
    assert session.session.job == "j1"
    assert not session.session.repeated
    session("cancel")
    assert session("queue_job", **asked, job="j2") is t.Answer.QUEUED
    assert session.start() is t.Answer.OVER  # the old job's message
    assert session.session.counts.starts == 0
    session.now += CONTRACT.over_s  # its message was lost
    assert session("queue_job", **asked, job="j3") is t.Answer.QUEUED


def test_a_job_without_a_message_expires():
    session = Session()
    session.now += CONTRACT.over_s - 1
    assert session("expire") is t.Answer.GO_ON
    session.now += 1
    assert session("expire") is t.Answer.FAILED
    assert session("expire") is t.Answer.OVER


def test_a_report_that_no_document_holds_is_refused():
    session = Session()
    session.start()
    named = {"job": "j1", "owner": "w1"}
    with pytest.raises(PawfectError, match="REPORT: expected up to"):
        session("claim_result", **named, report="x" * (MAX_REPORT + 1), cost=COST)


@pytest.mark.parametrize(
    "bad",
    [
        {"starts": 0},
        {"lease_s": float("inf")},
        {"lease_s": float("nan")},
        {"backoff_max_s": 0.5},
        {"deliveries": 10},
    ],
)
def test_a_contract_whose_bounds_contradict_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        JobContract(**bad)


def test_why_a_runs_job_was_put_back_is_told_to_those_who_follow_it():
    session = RunSession()
    session.start()
    assert session("passing_failure", job="j1", owner="w1", error=AWAY) is t.Answer.PUT_BACK
    live = session.session.live
    assert live is not None
    (line,) = live.lines
    assert line.text.startswith("put back: server: away")
    assert live.state == live.seq == line.seq + 1


def test_a_new_start_has_no_preview_of_the_one_before():
    session = RunSession()
    session.start()
    session("extend_lease", job="j1", owner="w1", lines=["half"], preview=True)
    assert session.session.live.preview is not None
    session.now += CONTRACT.lease_s + 1
    session.start("w2")
    live = session.session.live
    assert (live.preview, [line.text for line in live.lines][-1]) == (None, "half")


def test_a_runs_job_is_never_replaced_by_another():
    session = RunSession()
    before = session.document
    assert session("queue_job", job="j2", request={"seed": 4}) is t.Answer.TAKEN
    assert session("queue_job", job="j1", request={"seed": 3}) is t.Answer.QUEUED
    session("cancel")
    assert session("queue_job", job="j2", request={"seed": 4}) is t.Answer.TAKEN
    assert before is not None
    assert session.session.job == "j1"
    assert session.session.run_begins
