"""Every metric that models, API and worker tell, and those of Triton's own that rules stand on.

One table. `pawfect_triton.metrics` and `pawfect_service.telemetry.metrics` register what it says
and nothing else; docs/metrics.md shows it; alerts and dashboard use no other names. Labels have few
values: names of models, stages, kinds and variants; never a user, a session or a request's text.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


class MetricType(enum.Enum):
    """Prometheus's types that are used."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(enum.Enum):
    """Whose page a metric is on."""

    MODELS = "models"
    TRITON = "Triton"
    SERVICE = "API and worker"
    API = "API"
    WORKER = "worker"


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes:
        name: in full.
        type: Prometheus's.
        source: whose page it is on.
        labels: names of its labels.
        meaning: one sentence.
        buckets: upper ends of a histogram's buckets, in its unit.
    """

    name: str
    type: MetricType
    source: Source
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """Names of its time series in a scrape."""
        if self.type is MetricType.HISTOGRAM:
            return tuple(f"{self.name}_{end}" for end in ("bucket", "sum", "count"))
        return (self.name,)


# From what a cut-out takes on a card to the longest fill that the contract of jobs allows, 180 s.
_WORK_S: Final = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0)
# From a queue that nobody waits in to the job's own deadline, 900 s.
_WAIT_S: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
_REQUEST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# One for each rating.
_RATINGS: Final = (1.0, 2.0, 3.0, 4.0, 5.0)


def _of_models(name: str, meaning: str, *labels: str, gauge: bool = False) -> Metric:
    kind = MetricType.GAUGE if gauge else MetricType.COUNTER
    return Metric(f"pawfect_{name}", kind, Source.MODELS, ("model", *labels), meaning)


def _of_triton(name: str, kind: MetricType, meaning: str, *labels: str) -> Metric:
    return Metric(f"nv_{name}", kind, Source.TRITON, labels or ("model", "version"), meaning)


_C, _G, _H = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM

ANSWERS: Final = _of_models("answers_total", "Answers of a flow, by OK or the error's kind", "kind")
ANSWER_SECONDS: Final = _of_models("answer_seconds_total", "Time from request to answer, added up")
STAGE_SECONDS: Final = _of_models(
    "stage_seconds_total", "Time that a flow's stages took, failed requests included", "stage"
)
STAGES: Final = _of_models("stages_total", "How often a flow came through a stage", "stage")
ENGINE_ANSWERS: Final = _of_models(
    "engine_answers_total", "Results by the engine or network that made them", "engine"
)
FALLBACKS: Final = _of_models(
    "fallbacks_total",
    "Stages that were missing, failed or refused, and what was done instead",
    "stage",
    "instead",
)
FILLS_REJECTED: Final = _of_models("fills_rejected_total", "Denoised fills that the check refused")
DEADLINE_MISSED: Final = _of_models(
    "deadline_missed_total", "Answers later than the request's deadline, refusals for it included"
)
BATCHES: Final = _of_models("batches_total", "Batches that a model ran, by their rows", "size")
OUT_OF_MEMORY: Final = _of_models(
    "out_of_memory_total",
    "Calls that memory was too short for, whether or not a smaller one then fitted",
)
JUDGE_ANSWERS: Final = _of_models(
    "judge_answers_total",
    "Judgements that were asked for elsewhere: scored, partly scored, or the error's kind",
    "outcome",
)
JUDGE_CALLS: Final = _of_models(
    "judge_calls_total", "Requests sent to a judge elsewhere, repeats included"
)
JUDGE_USD: Final = _of_models(
    "judge_usd_total", "What they cost at most by the operator's prices, USD"
)
MODEL_START_SECONDS: Final = _of_models(
    "model_start_seconds", "From the server's start to the model's first answer, s", gauge=True
)
CUTOUT_SHARPNESS: Final = _of_models(
    "cutout_sharpness", "Sharpness of the last cut-out's edge", gauge=True
)
_NETWORK: Final = ("network", "size", "device")
NETWORK_LOAD_MS: Final = _of_models(
    "network_load_ms", "What loading the last answer's network took, ms", *_NETWORK, gauge=True
)
NETWORK_MIB: Final = _of_models(
    "network_mib", "By how much its process grew then, MiB", *_NETWORK, gauge=True
)
SERVER_RESTARTS: Final = Metric(
    "pawfect_server_restarts",
    _G,
    Source.MODELS,
    (),
    "Restarts of the server because a model's process died, since `pawfect serve` began",
)

HTTP_REQUESTS: Final = Metric(
    "pawfect_http_requests_total",
    _C,
    Source.SERVICE,
    ("method", "route", "status"),
    "HTTP requests by route and status",
)
HTTP_SECONDS: Final = Metric(
    "pawfect_http_request_seconds",
    _H,
    Source.SERVICE,
    ("method",),
    "From request to the answer's last byte, s; streams of progress are left out",
    _REQUEST_S,
)
JOBS_QUEUED: Final = Metric(
    "pawfect_jobs_queued_total",
    _C,
    Source.API,
    ("kind", "variant"),
    "Jobs that were queued, by which variant chose what was left open",
)
QUOTA_REFUSALS: Final = Metric(
    "pawfect_quota_refusals_total",
    _C,
    Source.API,
    ("quota",),
    "Jobs and uploads that a user's quota refused: jobs, kept_bytes or judge_usd",
)
RATING: Final = Metric(
    "pawfect_rating",
    _H,
    Source.API,
    ("kind", "variant"),
    "Ratings that owners gave results, 1 to 5; one that replaces another counts too",
    _RATINGS,
)
COMPARISONS: Final = Metric(
    "pawfect_comparisons_total",
    _C,
    Source.API,
    ("kind",),
    "Pairs of candidates of which an owner said which is better",
)
DELIVERIES: Final = Metric(
    "pawfect_deliveries_total",
    _C,
    Source.WORKER,
    ("action",),
    "Deliveries by what the worker did with the message: ack, nack, fail or bury",
)
JOBS_RUNNING: Final = Metric(
    "pawfect_jobs_running", _G, Source.WORKER, (), "Jobs that the worker works on now"
)
JOBS_DONE: Final = Metric(
    "pawfect_jobs_done_total",
    _C,
    Source.WORKER,
    ("kind", "variant"),
    "Jobs whose result was claimed",
)
JOB_FAILURES: Final = Metric(
    "pawfect_job_failures_total",
    _C,
    Source.WORKER,
    ("kind", "error"),
    "Starts of jobs that failed, those that are tried again included, by the error's kind",
)
JOB_WAIT_SECONDS: Final = Metric(
    "pawfect_job_wait_seconds",
    _H,
    Source.WORKER,
    ("kind",),
    "From the job's queuing to its first start, s",
    _WAIT_S,
)
JOB_SECONDS: Final = Metric(
    "pawfect_job_seconds",
    _H,
    Source.WORKER,
    ("kind",),
    "From a job's start to its claimed result, s",
    _WORK_S,
)
JOB_USD: Final = Metric(
    "pawfect_job_usd_total",
    _C,
    Source.WORKER,
    ("kind",),
    "What done jobs cost by --price-per-hour, USD",
)
JOBS_OVERDUE: Final = Metric(
    "pawfect_jobs_overdue_total",
    _C,
    Source.WORKER,
    (),
    "Jobs that were given up because nothing came of them in time",
)

METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            ANSWERS,
            ANSWER_SECONDS,
            STAGE_SECONDS,
            STAGES,
            ENGINE_ANSWERS,
            FALLBACKS,
            FILLS_REJECTED,
            DEADLINE_MISSED,
            BATCHES,
            OUT_OF_MEMORY,
            JUDGE_ANSWERS,
            JUDGE_CALLS,
            JUDGE_USD,
            MODEL_START_SECONDS,
            SERVER_RESTARTS,
            CUTOUT_SHARPNESS,
            NETWORK_LOAD_MS,
            NETWORK_MIB,
            HTTP_REQUESTS,
            HTTP_SECONDS,
            JOBS_QUEUED,
            QUOTA_REFUSALS,
            RATING,
            COMPARISONS,
            DELIVERIES,
            JOBS_RUNNING,
            JOBS_DONE,
            JOB_FAILURES,
            JOB_WAIT_SECONDS,
            JOB_SECONDS,
            JOB_USD,
            JOBS_OVERDUE,
            _of_triton("inference_request_success", _C, "Requests that a model answered"),
            _of_triton(
                "inference_request_failure",
                _C,
                "Requests that a model failed, by Triton's reason",
                "model",
                "version",
                "reason",
            ),
            _of_triton("inference_count", _C, "Rows that a model worked on"),
            _of_triton("inference_exec_count", _C, "Executions that they came in"),
            _of_triton("inference_pending_request_count", _G, "Requests that wait for a model"),
            _of_triton("cache_num_hits_per_model", _C, "Answers from the response cache"),
            _of_triton("cache_num_misses_per_model", _C, "Requests that it had no answer for"),
            _of_triton("gpu_memory_used_bytes", _G, "Memory of a card in use", "gpu_uuid"),
            _of_triton("gpu_memory_total_bytes", _G, "Memory of a card", "gpu_uuid"),
            _of_triton("gpu_utilization", _G, "Share of the time that a card works", "gpu_uuid"),
        )
    }
)
