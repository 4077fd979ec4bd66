"""A name with several servers, as a headless Service has it: each gets its share of the calls."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from pawfect_client.wire import channel_options
from tests.conftest import free_ports

CALLS = 12


class Counting(service_pb2_grpc.GRPCInferenceServiceServicer):
    def __init__(self) -> None:
        self.calls = 0

    def ServerLive(self, request, context):  # noqa: N802 - gRPC's name
        self.calls += 1
        return service_pb2.ServerLiveResponse(live=True)


def test_calls_go_in_turn_to_every_server_of_a_name_and_past_one_that_is_gone():
    ports, counts = free_ports(2), [Counting(), Counting()]
    with ExitStack() as started:
        servers = []
        for port, count in zip(ports, counts, strict=True):
            server = grpc.server(ThreadPoolExecutor(1))
            service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(count, server)
            server.add_insecure_port(f"127.0.0.1:{port}")
            server.start()
            started.callback(lambda one=server: one.stop(0).wait())
            servers.append(server)
        # What a name's records would say.
        name = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
        channel = started.enter_context(
            grpc.insecure_channel(name, options=channel_options(f"127.0.0.1:{ports[0]}"))
        )
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

        def ask() -> None:
            stub.ServerLive(service_pb2.ServerLiveRequest(), wait_for_ready=True, timeout=10)

        # Until both connections are there.
        while not all(count.calls for count in counts):
            ask()
        before = [count.calls for count in counts]
        for _ in range(CALLS):
            ask()
        each = [count.calls - earlier for count, earlier in zip(counts, before, strict=True)]
        assert each == [CALLS // 2, CALLS // 2]
        servers[0].stop(0).wait()
        before = [count.calls for count in counts]
        for _ in range(CALLS):
            ask()
        assert [count.calls - earlier for count, earlier in zip(counts, before, strict=True)] == [
            0,
            CALLS,
        ]
