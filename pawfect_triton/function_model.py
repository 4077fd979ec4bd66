"""Models inside Triton that are one function of the library: decode, call, encode."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.metrics import BATCHES
from pawfect.contract.probe import PROBE_ID
from pawfect.contract.tensors import Array
from pawfect.models import MODELS
from pawfect.serving import BatchFunction, Function, load_batch, load_function
from pawfect.weights.store import Store, weights_root
from pawfect_triton import adapter
from pawfect_triton.lasting import lasting
from pawfect_triton.logs import log_to_stderr
from pawfect_triton.metrics import Meter
from pawfect_triton.overrides import served_profile
from pawfect_triton.waiting import stop_of

# How long a batch's model waits for the next steps of those it has just answered, s: two to three
# times what a call with a step's tensors takes, and under a hundredth of a step on a T4.
LINGER_S: Final = 0.01

# Requests that a model in threads works at at a time: each holds a picture and a network's memory.
AT_ONCE: Final = 2
# The same of a model whose work is to wait for a server elsewhere: a picture each.
WAITING_AT_ONCE: Final = 16

# By which CUDA is told which cards there are.
_VISIBLE: Final = "CUDA_VISIBLE_DEVICES"

P = ParamSpec("P")
Answer = TypeVar("Answer")


class FunctionModel:
    """A model that answers each request with one call of its definition's function.

    Where its weights are missing or damaged it stays and answers UNAVAILABLE with the command that
    mends it: the rest of the server serves.
    """

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the function, with the weights of the server's profile."""
        self._name = name = args["model_name"]
        log_to_stderr()
        self._warm_ups = warm_ups(args)
        _hide(MODELS[name].unused)
        self._function: Function = _loaded_or_refusing(
            name, lambda: load_function(name, served_profile(args), Store(weights_root()))
        )
        self._meter = Meter(name)

    def execute(self, requests: Iterable[Any]) -> list[Any] | None:
        """Answer each request on its own, so that one that fails does not fail its batch."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        warming, self._warm_ups = self._warm_ups > 0, max(self._warm_ups - 1, 0)
        try:
            inputs, parameters = adapter.decode(self._name, request)
            stop = stop_of(self._name, request, parameters)
            outputs = self._function(inputs, parameters, stop)
            if not warming:
                self._meter.answered()
            return adapter.response(outputs, request)
        except Exception as error:  # noqa: BLE001 - the border: everything becomes a coded answer
            return _failed(error, self._name, warming)


class ThreadedModel(FunctionModel):
    """A `FunctionModel` that answers a few requests at a time, each in a thread.

    For functions that let go of the interpreter while they work and may run at once: a short
    request does not wait for a long one.
    """

    threads = AT_ONCE

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the function and start the threads."""
        super().initialize(args)
        self._threads = ThreadPoolExecutor(self.threads, thread_name_prefix=self._name)

    def execute(self, requests: Iterable[Any]) -> None:
        """Hand each request to a thread, which answers it."""
        for request in requests:
            self._threads.submit(self._send, request, request.get_response_sender())

    def finalize(self) -> None:
        """Wait for what is being worked at."""
        self._threads.shutdown()

    def _send(self, request: Any, sender: Any) -> None:
        final = adapter.backend().TRITONSERVER_RESPONSE_COMPLETE_FINAL
        sender.send(self._answer(request), flags=final)


class WaitingModel(ThreadedModel):
    """A `ThreadedModel` that works at many requests at a time, and takes no more.

    For functions that wait for a server elsewhere. One that waited for a thread besides would
    outlast its deadline, which runs from its arrival.
    """

    # One more than requests: for probes, which wait for nobody.
    threads = WAITING_AT_ONCE + 1

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the function and start the threads."""
        super().initialize(args)
        self._free = threading.Semaphore(WAITING_AT_ONCE)

    def execute(self, requests: Iterable[Any]) -> None:
        """Hand each request to a thread, or refuse it where all are busy."""
        for request in requests:
            sender = request.get_response_sender()
            if request.request_id() == PROBE_ID:
                self._threads.submit(self._send, request, sender)
            elif self._free.acquire(blocking=False):
                self._threads.submit(self._send_and_free, request, sender)
            else:
                self._refuse(sender)

    def _send_and_free(self, request: Any, sender: Any) -> None:
        try:
            self._send(request, sender)
        finally:
            self._free.release()

    def _refuse(self, sender: Any) -> None:
        message = f"{self._name}: expected at most {WAITING_AT_ONCE} requests at a time"
        answer = adapter.error_response(PawfectError(ErrorKind.QUEUE_FULL, message), self._name)
        sender.send(answer, flags=adapter.backend().TRITONSERVER_RESPONSE_COMPLETE_FINAL)


class BatchModel:
    """A model that runs the requests that Triton batched as one batch.

    It answers before it is free again, and lingers: the next steps of those just answered join what
    waited meanwhile. Else two groups of requests would take turns for ever, each too late for the
    other's batch.
    """

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the function of a batch; see `FunctionModel`."""
        self._name = name = args["model_name"]
        take_card(args)
        self._warm_ups = warm_ups(args)
        _hide(MODELS[name].unused)
        self._function: BatchFunction = _loaded_or_refusing(
            name, lambda: load_batch(name, served_profile(args), Store(weights_root()))
        )
        self._meter = Meter(name)

    def execute(self, requests: Iterable[Any]) -> None:
        """Run all requests as one batch; one that is wrong does not fail the others."""
        requests = list(requests)
        final = adapter.backend().TRITONSERVER_RESPONSE_COMPLETE_FINAL
        for request, answer in zip(requests, self._answers(requests), strict=True):
            request.get_response_sender().send(answer, flags=final)
        time.sleep(LINGER_S)

    def _answers(self, requests: list[Any]) -> list[Any]:
        warming = self._warm_ups > 0
        self._warm_ups = max(self._warm_ups - len(requests), 0)
        items: list[Mapping[str, Array]] = []
        rows: list[range | PawfectError] = []
        for request in requests:
            try:
                own = self._items(request)
            except PawfectError as error:
                rows.append(error)
            else:
                rows.append(range(len(items), len(items) + len(own)))
                items += own
        try:
            answers = self._function(items)
        except Exception as error:  # noqa: BLE001 - the border: everything becomes a coded answer
            return [_failed(error, self._name, warming) for _ in requests]
        if items and not warming:
            self._meter.add(BATCHES, size=str(len(items)))
            self._meter.answered()
        return [
            self._answer(
                request, row if isinstance(row, PawfectError) else [answers[i] for i in row]
            )
            for request, row in zip(requests, rows, strict=True)
        ]

    def _items(self, request: Any) -> list[dict[str, Array]]:
        """Return the rows of a request, which may be a batch of its own."""
        inputs, parameters = adapter.decode(self._name, request)
        MODELS[self._name].parameters.parse(parameters)
        size = len(next(iter(inputs.values())))
        return [{name: array[i] for name, array in inputs.items()} for i in range(size)]

    def _answer(self, request: Any, own: PawfectError | list[Any]) -> Any:
        failed = (
            own
            if isinstance(own, PawfectError)
            else next((answer for answer in own if isinstance(answer, PawfectError)), None)
        )
        if failed is not None:
            return adapter.error_response(failed, self._name)
        assert not isinstance(own, PawfectError)
        stacked = {name: np.stack([answer[name] for answer in own]) for name in own[0]}
        return adapter.response(stacked, request)


def warm_ups(args: Mapping[str, str]) -> int:
    """Return how many requests Triton itself sends before it lets a model serve.

    Args:
        args: as `initialize` gets them.
    """
    return len(json.loads(args["model_config"]).get("model_warmup", []))


def take_card(args: Mapping[str, str]) -> None:
    """Have this process see one card of several: the one of its instance's number.

    Args:
        args: as `initialize` gets them, before any library has looked for cards.
    """
    (group,) = json.loads(args["model_config"])["instance_group"]
    if group["count"] == 1:
        return
    number = int(args["model_instance_name"].rpartition("_")[2])
    seen = os.environ.get(_VISIBLE)
    cards = seen.split(",") if seen else [str(card) for card in range(group["count"])]
    os.environ[_VISIBLE] = cards[number % len(cards)]


def _hide(packages: Iterable[str]) -> None:
    """Have this process take packages for not installed: their import then fails at once."""
    for name in packages:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


def _failed(error: Exception, name: str, warming: bool) -> Any:
    """Return the answer for a failure; an empty one to a warm-up, whose failure is only logged.

    Triton takes a model whose warm-up failed for one that cannot be loaded, and ends the server.
    """
    if not warming:
        return adapter.error_response(error, name)
    failure = adapter.as_pawfect_error(error, name)
    adapter.backend().Logger.log_error(f"{name}: warm-up: {failure}")
    return adapter.backend().InferenceResponse([])


def _loaded_or_refusing(name: str, load: Callable[[], Callable[P, Answer]]) -> Callable[P, Answer]:
    """Return what was loaded; where it cannot be, what raises the reason at each call."""
    try:
        with lasting():
            return load()
    except PawfectError as error:
        adapter.backend().Logger.log_error(f"{name}: {error}")
        refusal = error

    def refuse(*args: P.args, **kwargs: P.kwargs) -> Answer:
        raise refusal

    return refuse
