"""Every move of a session's job, as pure functions of its document, the store's clock and bounds.

    queue_job                             the API: a new job, or the word that one is under way
    set_labels, set_labels_error          whoever asked for labels
    cancel, withdraw, expire              the API, a reader
    take_up                               a worker with a delivery in its hands
    extend_lease                          while it works, with its progress
    claim_result, complete                when it has a result: one wins, then it is published
    passing_failure, permanent_failure    when it has none
    put_back                              when it has to stop
    result_gone                           when a claimed result's files are not there any more

Each returns a Step: what to write, and the answer. They run inside `Documents.update`, see
`sessions.Sessions`; a transaction that is run again after it was committed answers the same.
"""

from pawfect_service.jobs.caller_moves import (
    cancel,
    expire,
    queue_job,
    set_labels,
    set_labels_error,
    withdraw,
)
from pawfect_service.jobs.move import Answer, Moment, Step
from pawfect_service.jobs.worker_moves import (
    claim_result,
    complete,
    extend_lease,
    passing_failure,
    permanent_failure,
    put_back,
    result_gone,
    take_up,
)

__all__ = [
    "Answer",
    "Moment",
    "Step",
    "cancel",
    "claim_result",
    "complete",
    "expire",
    "extend_lease",
    "passing_failure",
    "permanent_failure",
    "put_back",
    "queue_job",
    "result_gone",
    "set_labels",
    "set_labels_error",
    "take_up",
    "withdraw",
]
