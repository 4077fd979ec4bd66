"""When a server wants to be asked again, as it says so."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from pawfect.judges.retry_after import retry_after_s, retry_delay_s


def test_seconds_and_dates_are_read():
    assert retry_after_s(" 12 ") == 12.0
    assert 50 < retry_after_s(formatdate(time.time() + 60, usegmt=True)) <= 60
    assert retry_after_s(formatdate(time.time() - 60, usegmt=True)) == 0.0


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "nan", "\u0661", "9" * 400])
def test_what_cannot_be_read_is_none_or_bounded(header):
    after = retry_after_s(header)
    assert after is None or after <= 999_999_999


def test_googles_retry_info_is_read():
    def details(*listed):
        return {"error": {"code": 429, "details": list(listed)}}

    assert retry_delay_s(details({"@type": "Help"}, {"retryDelay": "13.5s"})) == 13.5
    assert retry_delay_s({"details": [{"retryDelay": "2s"}]}) == 2.0
    for other in (None, [], {}, "x", details({"retryDelay": 13}), details({"retryDelay": "1m"}), 7):
        assert retry_delay_s(other) is None
    assert retry_delay_s({"error": {"details": "13s"}}) is None
