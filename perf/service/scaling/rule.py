"""The rule by which replicas come and go: Kubernetes' autoscaler, as KEDA feeds it.

It is told two numbers: the queue's backlog, and the requests that wait within the servers.
"""

from __future__ import annotations

import math
import tomllib
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pawfect.contract.tables import at_least, between, read_table

FILE: Final = Path(__file__).parents[3] / "deploy" / "scaling.toml"
# The autoscaler's own tolerance: a need within a tenth of what there is changes nothing.
TOLERANCE: Final = 0.1


Positive = Annotated[float, between(0, 1e6, above=True)]
Count = Annotated[int, at_least(1)]


@dataclass(frozen=True)
class Rule:
    """The numbers of `deploy/scaling.toml`, which says what they mean."""

    jobs_per_replica: Positive
    pending_per_replica: Positive
    min_replicas: Count
    max_replicas: Count
    sync_s: Positive
    scale_down_s: Positive
    start_s: Positive


def load_rule(path: Path = FILE) -> Rule:
    """Read the rule.

    Raises:
        ValueError: entries that are missing, unknown or not above 0, or bounds that cross.
    """
    rule = read_table(Rule, tomllib.loads(path.read_text("utf-8")), path.name)
    if rule.min_replicas > rule.max_replicas:
        raise ValueError(f"{path.name}: max_replicas: expected at least {rule.min_replicas}")
    return rule


class Autoscaler:
    """Counts the replicas that the rule wants, as the autoscaler of Kubernetes 1.23 and later does.

    wanted = ceil(backlog / jobs_per_replica), or ceil(pending / pending_per_replica) where that is
    more; each unless within its tolerance of what there is. The largest of the last `scale_down_s`
    holds replicas that are no longer needed.

    Args:
        rule: the numbers.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._wanted: deque[tuple[float, int]] = deque()

    def wanted(self, now: float, backlog: int, present: int, pending: int = 0) -> int:
        """Return how many replicas there should be.

        Args:
            now: s, never falling from call to call.
            backlog: jobs queued or under way.
            present: replicas asked for so far.
            pending: requests that wait for a model, of all replicas together.
        """
        rule = self._rule
        needed = max(
            _needed(backlog, rule.jobs_per_replica, present),
            _needed(pending, rule.pending_per_replica, present),
        )
        needed = min(max(needed, rule.min_replicas), rule.max_replicas)
        self._wanted.append((now, needed))
        while self._wanted[0][0] < now - rule.scale_down_s:
            self._wanted.popleft()
        held = max(count for _, count in self._wanted)
        return needed if needed >= present else min(present, held)


def _needed(total: int, each: float, present: int) -> int:
    """Return how many replicas have `each` of a total."""
    if present and abs(total / (present * each) - 1) <= TOLERANCE:
        return present
    return math.ceil(total / each)
