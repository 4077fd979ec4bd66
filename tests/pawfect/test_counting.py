"""What the library counts reaches who listens, and nobody else."""

from __future__ import annotations

from pawfect.contract.metrics import BATCHES, OUT_OF_MEMORY
from pawfect.counting import count, listen
from pawfect.out_of_memory import in_halves


def test_a_listener_is_told_until_it_no_longer_listens():
    told: list[tuple[str, float, dict[str, str]]] = []
    end = listen(lambda metric, amount, labels: told.append((metric.name, amount, labels)))
    count(BATCHES, 2, size="4")
    end()
    count(BATCHES, size="4")
    assert told == [("pawfect_batches_total", 2, {"size": "4"})]


def test_each_call_that_memory_was_too_short_for_is_counted_and_a_fitting_one_is_not():
    told: list[str] = []
    end = listen(lambda metric, amount, labels: told.append(metric.name))

    def run(items):
        if len(items) > 1:
            raise MemoryError
        return items

    try:
        assert in_halves(run, [1, 2, 3]) == [1, 2, 3]
    finally:
        end()
    # All three, then the first two.
    assert told == [OUT_OF_MEMORY.name] * 2
