"""Between Triton's Python backend and the library: requests, responses, errors.

`triton_python_backend_utils` exists only inside a server's stub process, so it is imported there,
by `backend()`, and never when this module is.
"""

from __future__ import annotations

import importlib
import json
import time
import traceback
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from pawfect.contract.errors import ErrorKind, PawfectError, from_exception, from_message
from pawfect.contract.parameters import Scalar
from pawfect.contract.tensors import NONCE, Array
from pawfect.models import MODELS
from pawfect_triton import tracing
from pawfect_triton.waiting import waiting

# Errors whose messages hold values; pydantic's and JSON's are among them.
_QUOTING: Final = (ValueError, TypeError, LookupError, AttributeError, AssertionError)


def backend() -> Any:
    """Return `triton_python_backend_utils`, which only a stub process has."""
    return importlib.import_module("triton_python_backend_utils")


def decode(model: str, request: Any) -> tuple[dict[str, Array], dict[str, Scalar]]:
    """Return a request's inputs by name and its parameters, without the trace it may carry.

    The arrays are views of shared memory that is Triton's again once the last response is sent.
    """
    pb_utils = backend()
    inputs: dict[str, Array] = {}
    for spec in MODELS[model].spec.inputs:
        tensor = pb_utils.get_input_tensor_by_name(request, spec.name)
        if tensor is not None:
            inputs[spec.name] = tensor.as_numpy()
    parameters = decode_parameters(request.parameters())
    parameters.pop(tracing.TRACEPARENT, None)
    return inputs, parameters


def traceparent(request: Any) -> str | None:
    """Return the trace that a request carries; None where there is none, or nobody collects any."""
    if not tracing.is_on():
        return None
    parent = decode_parameters(request.parameters()).get(tracing.TRACEPARENT)
    return str(parent) if tracing.is_trace(parent) else None


def decode_parameters(given: str | Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return request parameters: a JSON string in release 24.10, a dict in others."""
    return dict(json.loads(given)) if isinstance(given, str) else dict(given)


def response(outputs: Mapping[str, Array], request: Any) -> Any:
    """Return the response that carries those of these outputs that the request asked for.

    Left to itself the stub drops the others without holding Python's lock: the next request ends
    its process (seen with 24.10 on Python 3.12).
    """
    wanted = set(request.requested_output_names())
    tensors = [tensor(name, array) for name, array in outputs.items() if name in wanted]
    return backend().InferenceResponse(tensors)


def error_response(error: Exception, model: str) -> Any:
    """Return the response for a failure, coded by the table of errors."""
    pb_utils = backend()
    failure = as_pawfect_error(error, model)
    code = getattr(pb_utils.TritonError, failure.row.triton_code)
    return pb_utils.InferenceResponse([], pb_utils.TritonError(str(failure), code))


def as_pawfect_error(error: Exception, model: str) -> PawfectError:
    """Return the error, or INTERNAL in place of one whose traceback is for the log only."""
    failure = from_exception(error, model)
    if failure is not error and failure.kind is ErrorKind.INTERNAL:
        backend().Logger.log_error(f"{model}: {told(error)}")
    return failure


def told(error: BaseException) -> str:
    """Return a traceback for the log.

    Of Python's own errors it has the class alone: their messages quote what they stumbled over,
    such as a request's text. Those of libraries, torch's and onnxruntime's, speak of devices.
    """
    lines: list[str] = []
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        said = "" if isinstance(each, _QUOTING) else f": {each}"
        lines.insert(
            0, "".join(traceback.format_tb(each.__traceback__)) + type(each).__name__ + said
        )
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return "\n".join(lines)


def tensor(name: str, array: Array) -> Any:
    """Return Triton's tensor of an array; a text array becomes BYTES."""
    return backend().Tensor(name, np.ascontiguousarray(array))


async def call_model(
    model: str, inputs: Mapping[str, Array], parameters: Mapping[str, bool | int | str]
) -> dict[str, Array]:
    """Call another model of the same server (BLS); see `pawfect.orchestrator.CallModel`.

    Cancelled, it has a model that can be stopped stop.

    Raises:
        PawfectError: of the kind that the token in the child's message names.
    """
    with waiting(model) as until, tracing.span(f"call {model}", model=model):
        outputs = await _ask(model, inputs, {**parameters, **until})
    if not outputs and NONCE in {spec.name for spec in MODELS[model].spec.inputs}:
        # The response cache of release 24.10 keeps a failure too, as an answer without outputs.
        past = {**inputs, NONCE: np.array([time.time_ns()], np.int64)}
        outputs = await _ask(model, past, parameters)
    if not outputs:
        raise PawfectError(ErrorKind.UNAVAILABLE, f"{model}: answered without its outputs")
    return outputs


async def _ask(
    model: str, inputs: Mapping[str, Array], parameters: Mapping[str, bool | int | str]
) -> dict[str, Array]:
    """Return the outputs of one BLS call; raises as `call_model`."""
    pb_utils = backend()
    batched = MODELS[model].batched
    request = pb_utils.InferenceRequest(
        model_name=model,
        requested_output_names=[spec.name for spec in MODELS[model].spec.outputs],
        inputs=[tensor(name, array[None] if batched else array) for name, array in inputs.items()],
        parameters={**parameters, **tracing.carried()},
    )
    answer = await request.async_exec()
    if answer.has_error():
        raise from_message(answer.error().message())
    outputs = {out.name(): out.as_numpy() for out in answer.output_tensors()}
    return {name: array[0] for name, array in outputs.items()} if batched else outputs
