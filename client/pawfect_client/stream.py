"""What one stream has said so far; both clients read theirs through it."""

from __future__ import annotations

from typing import Any, Generic

from pawfect.contract.errors import PawfectError
from pawfect_client.results import StageEvent
from pawfect_client.retry import Attempts
from pawfect_client.wire import Call, End, ended_early, stream_event


class StreamReader(Generic[End]):
    """Passes stages on and keeps what ends the stream until the server has closed it.

    A stream that is cancelled between the server's last message and its close leaves Triton 2.51
    with a request that it waits for when it is to stop, and counts as cancelled though it ended.

    Args:
        call: what was asked.
    """

    def __init__(self, call: Call[End]) -> None:
        self._call = call
        self._end: End | PawfectError | None = None
        self._received = False

    def take(self, response: Any) -> StageEvent | None:
        """Return the stage that a message tells; None for one that ends the stream."""
        try:
            event = stream_event(response, self._call)
        except PawfectError as error:
            self.broke(error)
            return None
        self._received = True
        if isinstance(event, StageEvent):
            return event
        # A message that was broken is not mended by a result.
        if self._end is None:
            self._end = event
        return None

    def broke(self, error: PawfectError) -> None:
        """Keep an error, unless the stream's end was known already."""
        if self._end is None:
            self._end = error

    def end(self, attempts: Attempts) -> End | float:
        """Return the result of a stream that is closed, or the pause before it is asked again, s.

        Raises:
            PawfectError: the stream's failure where something was received or no attempt is left.
        """
        end, self._end = self._end or ended_early(), None
        if not isinstance(end, PawfectError):
            return end
        if self._received:
            raise end
        return attempts.wait_after(end)
