"""What a call is refused with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError


def refusal(kind: ErrorKind, call: Callable[..., object], *given: Any, **more: Any) -> str:
    """Return the message of the error, of this kind, that a call raises."""
    with pytest.raises(PawfectError) as caught:
        call(*given, **more)
    assert caught.value.kind is kind, str(caught.value)
    return caught.value.message
