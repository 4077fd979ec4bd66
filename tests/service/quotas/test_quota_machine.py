"""Quotas against a model: whatever the order, whoever dies, nobody has more, and nothing drifts."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pawfect_service.jobs import moves
from pawfect_service.quotas import keeper as keeper_module
from pawfect_service.quotas.keeper import RefusedError
from pawfect_service.quotas.ledger import FORGOTTEN_S, day_of
from pawfect_service.quotas.limits import Limits
from pawfect_service.stores.at_once import AT_ONCE
from tests.service.quotas.world import START_USD, UID, World

SIDS = [f"s{number}" for number in range(5)]
CALLS = st.lists(st.sampled_from([None, 0, 1, 3]), min_size=2, max_size=2)
NUMBER = st.integers(0, 30)


class Quotas(RuleBasedStateMachine):
    """Requests of several processes, workers, users who cancel and delete, and time."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.clock = keeper_module.time
        keeper_module.time = SimpleNamespace(time=lambda: self.world.now)  # type: ignore[assignment]

    def teardown(self) -> None:
        try:
            self.nothing_drifts()
        finally:
            self.world.close()
            keeper_module.time = self.clock

    @rule(sid=st.sampled_from(SIDS), size=st.integers(1, 5), paid=st.booleans(), way=st.booleans())
    def post(self, sid: str, size: int, paid: bool, way: bool) -> None:
        keeper = self.world.keeper(optimistic=way)
        self.world.begin(self.world.post(keeper, sid, size, START_USD if paid else 0))

    @rule(size=st.integers(1, 5), way=st.booleans())
    def upload(self, size: int, way: bool) -> None:
        self.world.begin(self.world.upload(self.world.keeper(optimistic=way), size))

    @precondition(lambda self: self.world.waiting)
    @rule(which=NUMBER, times=st.integers(1, 6))
    def happen(self, which: int, times: int) -> None:
        for _ in range(times):
            if self.world.waiting:
                self.world.happen(which)

    @precondition(lambda self: self.world.requests)
    @rule(which=NUMBER)
    def a_process_dies(self, which: int) -> None:
        self.world.requests[which % len(self.world.requests)].cancel()
        self.world.run()

    @precondition(lambda self: self.world.sessions)
    @rule(which=NUMBER, calls=CALLS, ends=st.booleans(), size=st.integers(1, 4))
    def work(self, which: int, calls: list[int | None], ends: bool, size: int) -> None:
        sid = self._sid(which)
        if self.world.start(sid, calls) and ends:
            self.world.end(sid, calls, size)

    @precondition(lambda self: self.world.sessions)
    @rule(which=NUMBER)
    def cancel(self, which: int) -> None:
        self.world.move(self._sid(which), moves.cancel)

    @precondition(lambda self: self.world.sessions)
    @rule(which=NUMBER)
    def delete_session(self, which: int) -> None:
        """Its document, as the deletion of a session does, once its job is over."""
        sid = self._sid(which)
        self.world.move(sid, moves.cancel)
        del self.world.sessions[sid]

    @precondition(lambda self: self.world.idle_files())
    @rule(which=NUMBER)
    def delete_file(self, which: int) -> None:
        """Of a job in flight they count until it is over, deleted or not."""
        files = self.world.idle_files()
        path = files[which % len(files)]
        size = self.world.files.pop(path)
        if path.endswith(".png"):
            self.world.results -= size

    @rule(passed=st.sampled_from([1.0, 20.0, 31.0, FORGOTTEN_S, 1300.0, 43_000.0]))
    def wait(self, passed: float) -> None:
        # A request that takes longer than its place is held ends, as the API's own time-out has it.
        if passed > 20.0:
            for task in self.world.requests:
                task.cancel()
            self.world.run()
        self.world.now += passed

    @invariant()
    def nobody_has_more_than_his_quota(self) -> None:
        self.world.check()

    @rule()
    def nothing_drifts(self) -> None:
        """Once no request is under way, what is told is what there is."""
        world = self.world
        world.finish()
        world.now += FORGOTTEN_S
        keeper = world.keeper(optimistic=False)
        telling = world.begin(keeper.used(UID))
        world.finish()
        used = telling.result()
        assert used.jobs == world.in_flight()
        # What a job in flight brought counts, though the API died before it was stored.
        assert used.kept_bytes == sum({**world.brought(), **world.files}.values())
        today = [one for one in world.spent.values() if one.day == day_of(world.now)]
        # Of a job that was deleted nobody knows how often it was started.
        there = {document["job"] for document in world.sessions.values()}
        unknown = sum(
            one.again
            for job, one in world.spent.items()
            if job not in there and one.day == day_of(world.now)
        )
        assert sum(one.usd for one in today) <= used.spent + used.held + unknown
        # One that was never written, since its API died just then, is charged as a deleted one is.
        most = START_USD * world.paid[day_of(world.now)] + sum(one.again for one in today)
        assert used.spent + used.held <= most

    def _sid(self, which: int) -> str:
        known = sorted(self.world.sessions)
        return known[which % len(known)]


Quotas.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestQuotas = Quotas.TestCase


@pytest.mark.slow
def test_quotas_hold_over_many_more_orders() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    many = settings(max_examples=800, stateful_step_count=50, deadline=None)
    run_state_machine_as_test(Quotas, settings=many)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Any:
    one = World()
    monkeypatch.setattr(keeper_module, "time", SimpleNamespace(time=lambda: one.now))
    yield one
    one.close()


def _answers(tasks: list[Any]) -> list[str]:
    errors = [task.exception() for task in tasks]
    assert all(error is None or isinstance(error, RefusedError) for error in errors), errors
    return [error.why.quota if isinstance(error, RefusedError) else "let in" for error in errors]


@pytest.mark.parametrize("optimistic", [False, True])
def test_ten_paid_jobs_at_once_cannot_cost_more_than_the_days_money(
    world: World, optimistic: bool
) -> None:
    """1,500 millionths, 600 for each: two, whatever a dozen processes have read before."""
    tasks = [
        world.begin(world.post(world.keeper(optimistic=optimistic), f"s{n}", 1, START_USD))
        for n in range(10)
    ]
    world.finish()
    assert sorted(_answers(tasks)) == ["judge_usd"] * 8 + ["let in"] * 2
    for n in range(10):
        if f"s{n}" in world.sessions and world.start(f"s{n}", [None, None]):
            world.end(f"s{n}", [None, None], 1)
    again = world.begin(world.post(world.keeper(optimistic=optimistic), "s0", 1, START_USD))
    world.finish()
    assert _answers([again]) == ["judge_usd"]
    assert sum(one.usd for one in world.spent.values()) == 2 * START_USD


@pytest.mark.parametrize("optimistic", [False, True])
def test_of_ten_requests_at_once_as_many_get_in_as_may(world: World, optimistic: bool) -> None:
    tasks = [
        world.begin(world.post(world.keeper(optimistic=optimistic), f"s{n}", 1, 0))
        for n in range(10)
    ]
    world.finish()
    assert sorted(_answers(tasks)) == ["jobs"] * 7 + ["let in"] * 3


@pytest.mark.parametrize("optimistic", [False, True])
def test_uploads_at_once_see_each_other_before_anything_is_stored(
    world: World, optimistic: bool
) -> None:
    tasks = [world.begin(world.upload(world.keeper(optimistic=optimistic), 5)) for _ in range(6)]
    world.finish()
    assert sorted(_answers(tasks)) == ["kept_bytes"] * 4 + ["let in"] * 2
    assert sum(world.files.values()) == 10


def test_what_a_start_that_died_has_asked_is_charged_with_the_next_one(world: World) -> None:
    world.begin(world.post(world.keeper(optimistic=False), "s", 1, START_USD))
    world.finish()
    assert world.start("s", [3, 3])
    world.now += 31.0
    assert world.start("s", [1, None])
    world.end("s", [1, None], 1)
    telling = world.begin(world.keeper(optimistic=False).used(UID))
    world.finish()
    # The first start may have asked all that it could; the second says one, and one is unknown.
    assert telling.result().spent == START_USD + 100 + 300
    assert world.spent["job1"].usd == START_USD + 100 + 300


def test_a_job_that_is_deleted_gives_its_place_back_and_not_what_it_may_have_spent(
    world: World,
) -> None:
    """Else who deletes each run before its end is counted searches for nothing."""
    world.begin(world.post(world.keeper(optimistic=False), "s", 1, START_USD))
    world.finish()
    assert world.start("s", [3, 3])
    world.end("s", [3, 3], 1)
    del world.sessions["s"]
    world.now += FORGOTTEN_S
    telling = world.begin(world.keeper(optimistic=False).used(UID))
    world.finish()
    assert (telling.result().jobs, telling.result().spent) == (0, START_USD)


def test_a_job_that_comes_to_its_document_too_late_is_not_written(world: World) -> None:
    task = world.begin(world.post(world.keeper(optimistic=False), "s", 1, 0))
    while not world.ledger[0]:
        world.happen(0)
    world.now += 30.0
    world.finish()
    assert task.result().name == "NOT_ADMITTED"
    assert world.sessions == {}
    assert not world.files


def test_jobs_that_were_replaced_hold_no_place(world: World) -> None:
    keeper = world.keeper(optimistic=True)
    for sid in ("a", "a", "a", "a", "b", "c"):
        if sid in world.sessions:
            world.move(sid, moves.cancel)
        task = world.begin(world.post(keeper, sid, 1, 0))
        world.finish()
        assert task.result().name == "QUEUED"
    over = world.begin(world.post(keeper, "d", 1, 0))
    world.finish()
    assert _answers([over]) == ["jobs"]


def test_refusals_of_a_user_with_many_jobs_read_each_document_once_and_few_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = 2 * AT_ONCE + 1
    world.rules = replace(world.rules, limits=Limits(jobs=many))
    keeper, read = world.keeper(optimistic=False), list[str]()
    documents: Any = keeper._sessions.documents
    get = documents.get

    async def counted(uid: str, sid: str) -> Any:
        read.append(sid)
        return await get(uid, sid)

    documents.get = counted
    monkeypatch.setattr(keeper_module, "_STANDS_S", 3600.0)
    for number in range(many):
        world.begin(world.post(keeper, f"s{number}", 1, 0))
        world.finish()
    assert read == []
    for number in range(3):
        task = world.begin(world.post(keeper, f"more{number}", 1, 0))
        while world.waiting:
            assert len(world.waiting) <= AT_ONCE
            world.happen(0)
        assert _answers([task]) == ["jobs"]
    assert sorted(read) == sorted(f"s{number}" for number in range(many))
    # Another process, or this one once the time is over, sees who has ended.
    world.move("s0", moves.cancel)
    task = world.begin(world.post(world.keeper(optimistic=False), "other", 1, 0))
    world.finish()
    assert task.result().name == "QUEUED"


def test_a_place_that_is_given_back_leaves_no_empty_ledger(world: World) -> None:
    """Its user may have been deleted meanwhile, with all that was counted."""
    task = world.begin(world.post(world.keeper(optimistic=False), "s", 1, 0))
    while not world.ledger[0]:
        world.happen(0)
    world.now += 30.0
    world.finish()
    assert task.result().name == "NOT_ADMITTED"
    assert world.ledger[0] is None
