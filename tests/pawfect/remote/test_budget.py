"""The budget of a day: requests and money."""

from __future__ import annotations

from datetime import date

from pawfect.contract.errors import ErrorKind
from pawfect.remote.budget import Allowance, Budget
from tests.refusals import refusal


def test_a_day_has_its_budget_and_the_next_one_a_new_one():
    days = [date(2026, 1, 1)]
    budget = Budget(Allowance(2, "DAILY"), lambda: days[-1])
    assert (budget.take(), budget.take()) == (1, 0)
    said = refusal(ErrorKind.UNAVAILABLE, budget.take)
    assert said == "DAILY: the 2 requests of this day (UTC) are made"
    days.append(date(2026, 1, 2))
    assert budget.take() == 1


def test_money_is_counted_to_the_last_millionth():
    days = [date(2026, 1, 1)]
    budget = Budget(Allowance(1000, "DAILY", 0.3, "USD"), lambda: days[-1])
    # As floats three times 0.1 are more than 0.3.
    assert [budget.take(0.1) for _ in range(3)] == [999, 998, 997]
    said = refusal(ErrorKind.UNAVAILABLE, budget.take, 0.01)
    assert (
        said == "USD: 0.3 of the 0.3 USD of this day (UTC) are spent, and a request may cost 0.01"
    )
    refusal(ErrorKind.UNAVAILABLE, budget.take, 0.000001)
    # What was refused is not counted, and what costs nothing may go on.
    assert budget.take(0.0) == 996
    days.append(date(2026, 1, 2))
    assert budget.take(0.3) == 999
