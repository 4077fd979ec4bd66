"""Fills by the checkout whose Python runs this file: requests on stdin, answers on stdout.

It stands alone, as it runs beside the code of another commit. A request is a line of JSON, then
the bytes of the image, the mask and, if there is one, of what is protected; an answer is a line of
JSON, then the filled image's bytes unless the line holds an error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from time import perf_counter, process_time
from typing import IO, Any

import numpy as np


def engine() -> Callable[..., Any]:
    """Return the checkout's fill; it was called `fill_with_choice` while it chose between fills."""
    import pawfect.patch

    earlier: Callable[..., Any] | None = getattr(pawfect.patch, "fill_with_choice", None)
    if earlier is not None:
        return earlier
    from pawfect.patch.engine import fill

    return fill


def read_array(stream: IO[bytes], shape: tuple[int, ...]) -> Any:
    """Read one array of bytes.

    Raises:
        EOFError: the stream ended within it.
    """
    count = int(np.prod(shape))
    taken = stream.read(count)
    if len(taken) < count:
        raise EOFError(f"expected {count} bytes, got {len(taken)}")
    return np.frombuffer(taken, np.uint8).reshape(shape).copy()


def answer(fill: Callable[..., Any], request: dict[str, Any], stream: IO[bytes]) -> tuple[Any, Any]:
    """Fill what one request asks for; return the head of the answer, and the picture or None."""
    height, width = request["height"], request["width"]
    image = read_array(stream, (height, width, 3))
    mask = read_array(stream, (height, width))
    protect = read_array(stream, (height, width)) if request["protect"] else None
    wall, cpu = perf_counter(), process_time()
    try:
        filled = fill(image, mask, protect=protect, seed=request["seed"]).image
    except Exception as error:  # noqa: BLE001 - whatever it raises is its result
        return {"error": f"{type(error).__name__}: {error}"}, None
    return {"seconds": perf_counter() - wall, "cpu_seconds": process_time() - cpu}, filled


def main() -> None:
    """Answer requests until the input ends."""
    # What the checkout prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    fill = engine()
    while line := sys.stdin.buffer.readline():
        head, picture = answer(fill, json.loads(line), sys.stdin.buffer)
        answers.write(json.dumps(head).encode() + b"\n")
        if picture is not None:
            answers.write(np.ascontiguousarray(picture).tobytes())
        answers.flush()


if __name__ == "__main__":
    main()
