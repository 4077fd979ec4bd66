"""A gRPC server that speaks Triton's stream as `candidate_search` does, around the flow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from pawfect.contract.errors import PawfectError
from pawfect.contract.tensors import CANDIDATE_SEARCH, DTYPES
from pawfect.contract.texts import text_tensor
from tests.client.search.flow import Flow, Outcome, Told

_DATATYPES = {spec.name: spec.datatype for spec in CANDIDATE_SEARCH.outputs}


class Triton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers each request with what the flow tells; `spoil` changes the outputs of a message."""

    def __init__(self) -> None:
        self.spoil: Any = lambda outputs: outputs
        self.stopped = threading.Event()

    def ModelStreamInfer(self, requests: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        request = next(requests)
        assert request.model_name == CANDIDATE_SEARCH.name
        told: SimpleQueue[Any] = SimpleQueue()
        context.add_callback(lambda: told.put(None))
        over = threading.Event()

        def stop() -> bool:
            return over.is_set() or not context.is_active()

        def run() -> None:
            try:
                told.put(Flow().search(*_decoded(request), stop=stop, notify=told.put))
            except PawfectError as error:
                told.put(error)

        worker = threading.Thread(target=run)
        worker.start()
        try:
            while (event := told.get()) is not None:
                if isinstance(event, PawfectError):
                    yield service_pb2.ModelStreamInferResponse(error_message=str(event))
                    return
                yield _encoded(self.spoil(_outputs(event)))
                if isinstance(event, Outcome):
                    return
        finally:
            over.set()
            worker.join()
            self.stopped.set()


@contextmanager
def serving(triton: Triton) -> Iterator[str]:
    """Serve on a free port of loopback; yields HOST:PORT."""
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, options=options)
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


def _decoded(request: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    tensors = {}
    for spec, raw in zip(request.inputs, request.raw_input_contents, strict=True):
        known = CANDIDATE_SEARCH.input(spec.name)
        assert spec.datatype == known.datatype
        assert len(spec.shape) == len(known.shape)
        if spec.datatype == "BYTES":
            array = deserialize_bytes_tensor(raw)
        else:
            array = np.frombuffer(raw, DTYPES[spec.datatype])
        tensors[spec.name] = array.reshape(spec.shape)
    parameters = {
        name: getattr(value, value.WhichOneof("parameter_choice"))
        for name, value in request.parameters.items()
    }
    return tensors, parameters


def _outputs(event: Told | Outcome) -> dict[str, np.ndarray]:
    if isinstance(event, Outcome):
        return {"IMAGE": event.image, "REPORT": text_tensor(event.report.to_json())}
    outputs = {
        "STAGE": text_tensor(event.stage),
        "PROGRESS": np.array([event.progress], np.float32),
    }
    if event.candidate is not None:
        outputs["CANDIDATE"] = text_tensor(event.candidate.candidate.to_json())
        if event.candidate.image is not None:
            outputs["CANDIDATE_IMAGE"] = event.candidate.image
            outputs["CANDIDATE_BOX"] = np.array(event.candidate.box, np.int32)
    return outputs


def _encoded(outputs: dict[str, np.ndarray]) -> Any:
    message = service_pb2.ModelStreamInferResponse()
    answer = message.infer_response
    for name, array in outputs.items():
        answer.outputs.add(name=name, datatype=_DATATYPES[name], shape=array.shape)
        text = _DATATYPES[name] == "BYTES"
        packed = serialize_byte_tensor(array).item() if text else array.tobytes()
        answer.raw_output_contents.append(packed)
    return message
