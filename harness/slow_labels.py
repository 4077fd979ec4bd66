"""A Triton between client and server that takes its time over labels and passes the rest on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import serialize_byte_tensor

from pawfect_client.wire import channel_options

LABELS = ("grass", "fallen leaves")


@dataclass
class SlowLabels(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """`scene_labels` after `wait_s`, as SAM3 may take it; other models by the server behind.

    Attributes:
        behind: the real server.
        wait_s: what labels take, s.
        asked: models asked for, in order, with their calls' metadata.
        at_once: label calls at the same time, at most.
        now: label calls at this moment.
    """

    behind: Any
    wait_s: float
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    at_once: int = 0
    now: int = 0

    def _note(self, request: Any, context: Any) -> None:
        self.asked.append((request.model_name, dict(context.invocation_metadata())))

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer one request, for labels late."""
        self._note(request, context)
        if request.model_name != "scene_labels":
            return await self.behind.ModelInfer(request)
        self.now += 1
        self.at_once = max(self.at_once, self.now)
        try:
            await asyncio.sleep(self.wait_s)
        finally:
            self.now -= 1
        answer = service_pb2.ModelInferResponse(model_name="scene_labels")
        texts = np.array([label.encode() for label in LABELS], np.object_)
        for name, kind, raw in (
            ("LABELS", "BYTES", serialize_byte_tensor(texts).item()),
            ("SCORES", "FP32", np.array([0.9, 0.6], np.float32).tobytes()),
            ("COVERAGE", "FP32", np.array([0.75, 0.25], np.float32).tobytes()),
        ):
            answer.outputs.add(name=name, datatype=kind, shape=[len(LABELS)])
            answer.raw_output_contents.append(raw)
        return answer

    async def ModelStreamInfer(self, requests: Any, context: Any) -> Any:  # noqa: N802
        """Pass a stream on."""
        async for request in requests:
            self._note(request, context)
            async for response in self.behind.ModelStreamInfer(iter((request,))):
                yield response


@asynccontextmanager
async def slow_labels(behind: str, wait_s: float) -> AsyncIterator[tuple[str, SlowLabels]]:
    """Yield the address of such a server, and the server."""
    async with grpc.aio.insecure_channel(behind, options=channel_options(behind)) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        servicer = SlowLabels(stub, wait_s)
        unbounded = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        server = grpc.aio.server(options=unbounded)
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}", servicer
        finally:
            await server.stop(0)
