"""What an exception holds, let go at once."""

from __future__ import annotations

import traceback


def clear_frames(error: BaseException) -> None:
    """Clear the frames that an exception came through, and those of what led to it.

    Their variables are a decoded photo and its tensors, 100 MB at 12 MP. An exception
    that is kept in a variable is part of a cycle, which stays until the garbage collector comes.

    Args:
        error: has been logged; its traceback keeps its lines.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            traceback.clear_frames(each.__traceback__)
            waiting += [each.__cause__, each.__context__]
