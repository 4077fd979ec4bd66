"""What is broken, and when: a schedule that follows from its seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

# Kinds of jobs whose recovery is measured; see `perf.service.soak.orders`.
SESSION: Final = "session inpaint"
CUTOUT: Final = "run cutout"
SEARCH: Final = "run search"
REGION: Final = "refine region"
TEXT: Final = "refine text"
IMPORT: Final = "run import"

# The model whose process is hit, and the kind of job that cannot do without it.
MODELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "inpaint": SESSION,
        "mask_cleanup": SESSION,
        "background_removal": CUTOUT,
        "onnx_networks": CUTOUT,
        "candidate_search": SEARCH,
        "score_local": SEARCH,
        "refine": REGION,
        "text_reading": TEXT,
    }
)


@dataclass(frozen=True)
class EventKind:
    """One kind of bad luck.

    Attributes:
        name: in tables and logs.
        lasts_s: how long the trouble may be held, s, one of these; empty: it is done at once.
        affects: the kind of job whose recovery is measured; None: that of the model which is hit.
        restarts: whether the server has to be started again.
    """

    name: str
    lasts_s: tuple[float, ...] = ()
    affects: str | None = SESSION
    restarts: bool = False


MODEL_KILLED: Final = EventKind("model process killed", affects=None, restarts=True)
TRITON_KILLED: Final = EventKind("tritonserver killed", restarts=True)
SERVE_KILLED: Final = EventKind("pawfect serve killed", restarts=True)
WORKER_KILLED: Final = EventKind("worker killed")
API_KILLED: Final = EventKind("API process killed", affects=IMPORT)
# The longer one outlives a lease (30 s): others take the jobs up, and the worker wakes up to that.
WORKER_STOPPED: Final = EventKind("worker stopped", (5.0, 36.0))
MODEL_STOPPED: Final = EventKind("model process stopped", (5.0, 12.0), affects=None)
TRITON_STOPPED: Final = EventKind("tritonserver stopped", (5.0, 12.0))
API_STOPPED: Final = EventKind("API process stopped", (4.0, 8.0), affects=IMPORT)
WORKER_SQUEEZED: Final = EventKind("worker's memory squeezed", (5.0, 12.0))
MODEL_SQUEEZED: Final = EventKind("model's memory squeezed", (5.0, 12.0), affects=None)
DISK_FULL: Final = EventKind("disk full", (4.0, 10.0))
CLOCK_FORWARDS: Final = EventKind("clock stepped forwards")
CLOCK_BACK: Final = EventKind("clock stepped back")
DELIVERED_TWICE: Final = EventKind("messages delivered twice")

EVENTS: Final = (
    MODEL_KILLED, TRITON_KILLED, SERVE_KILLED, WORKER_KILLED, API_KILLED, WORKER_STOPPED,
    MODEL_STOPPED, TRITON_STOPPED, API_STOPPED, WORKER_SQUEEZED, MODEL_SQUEEZED, DISK_FULL,
    CLOCK_FORWARDS, CLOCK_BACK, DELIVERED_TWICE,
)  # fmt: skip
# Between two events, s: as long as recovery may take at its 95th percentile, so that one is over
# before the next. A shorter run has less, so that each kind of event comes once.
GAP_S: Final = 20.0
# Share of the run in which things break. In the rest memory is measured: a process that is killed
# every minute has no slope.
STORM: Final = 0.7
# From the start of the load to the first event, s.
FIRST_S: Final = 3.0


@dataclass(frozen=True)
class Event:
    """One piece of bad luck.

    Attributes:
        at_s: after the start of the load, s.
        kind: of it.
        lasts_s: how long the trouble is held, s; 0: it is done at once.
        chance: 0 to 1, by which the victim is chosen, and how far a clock is stepped.
    """

    at_s: float
    kind: EventKind
    lasts_s: float
    chance: float


def schedule(seed: int, load_s: float) -> list[Event]:
    """Return the events of a run, in order.

    They come in rounds, each with all kinds in another order; restarts of the server keep at least
    another event between them, since the watch pauses longer when they follow each other closely.

    Args:
        seed: the same one gives the same schedule.
        load_s: how long the load lasts, s.
    """
    rng = random.Random(seed)
    storm_s = STORM * load_s - FIRST_S
    gap_s = min(GAP_S, storm_s / len(EVENTS))
    count = max(int(storm_s / gap_s + 1e-6), len(EVENTS))
    kinds: list[EventKind] = []
    while len(kinds) < count:
        kinds += _round(rng)
    events = []
    for index, kind in enumerate(kinds[:count]):
        # Short runs have no time for the longer ones.
        lengths = kind.lasts_s if gap_s >= GAP_S else kind.lasts_s[:1]
        at_s = FIRST_S + (index + 0.3 * rng.random()) * gap_s
        lasts_s = rng.choice(lengths) if lengths else 0.0
        events.append(Event(round(at_s, 2), kind, lasts_s, rng.random()))
    return events


def _round(rng: random.Random) -> list[EventKind]:
    """Return all kinds, those that restart the server spread evenly among the others."""
    restarts = [kind for kind in EVENTS if kind.restarts]
    others = [kind for kind in EVENTS if not kind.restarts]
    rng.shuffle(restarts)
    rng.shuffle(others)
    every = len(others) // len(restarts)
    mixed: list[EventKind] = []
    for index, kind in enumerate(restarts):
        mixed += [kind, *others[index * every : (index + 1) * every]]
    return mixed + others[len(restarts) * every :]
