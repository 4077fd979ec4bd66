"""Stands until the served judge joins."""

from __future__ import annotations

import asyncio
from typing import Any

from pawfect.scores.local import judge_locally


async def judge_local(
    result: Any, original: Any, mask: Any, deployment: Any, call: Any, control: Any
) -> Any:
    """Judge."""
    return await control.wait(
        "score_local", asyncio.to_thread(judge_locally, result, original, mask)
    )
