"""Logs as JSON lines, each with the session, job, attempt and trace that it belongs to."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Any, Final

from opentelemetry import trace

_FIELDS: ContextVar[Mapping[str, Any]] = ContextVar("log_fields", default={})  # noqa: B039
# What logging itself sets on each record; whatever else there is came with `extra`.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
_JSON: Final = json.JSONEncoder(ensure_ascii=False, default=str)
# What a message says next is what came.
_GOT: Final = ", got "
# Cloud Logging reads the level under this name.
_LEVEL: Final = "severity"


@contextmanager
def log_fields(**fields: Any) -> Iterator[None]:
    """Add these fields to every line that is written within the block and the tasks it starts."""
    token = _FIELDS.set({**_FIELDS.get(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def without_got(message: str) -> str:
    """Return an error's message without what came: that is the request's, and may be anybody's.

    Messages say what was expected and, last, what came (`pawfect.contract.errors.invalid`).
    """
    return message.partition(_GOT)[0]


class JsonLines(logging.Formatter):
    """One JSON object per record.

    Its fields: time (UTC, RFC 3339), severity, logger, message, those of `log_fields`, traceId and
    spanId (hexadecimal, as W3C has them) where a span is open, `extra`'s, and error: class and
    place of an exception. No message of an exception that is not ours: it may hold a path.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            _LEVEL: record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_FIELDS.get(),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["traceId"] = trace.format_trace_id(span.trace_id)
            line["spanId"] = trace.format_span_id(span.span_id)
        line |= {key: value for key, value in vars(record).items() if key not in _OWN}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            last = record.exc_info[2]
            while last is not None and last.tb_next is not None:
                last = last.tb_next
            if last is not None:
                code = last.tb_frame.f_code
                line["at"] = f"{last.tb_frame.f_globals.get('__name__')}:{code.co_qualname}"
                line["at"] += f":{last.tb_lineno}"
        return _JSON.encode(line)


def log_json(level: str = "INFO", sink: IO[str] = sys.stderr) -> None:
    """Send every log of this process to `sink` as JSON lines.

    Args:
        level: of the lines, by logging's names.
        sink: where they go.
    """
    handler = logging.StreamHandler(sink)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What the access log of uvicorn says, the API says itself, with the ids.
    logging.getLogger("uvicorn.access").disabled = True
