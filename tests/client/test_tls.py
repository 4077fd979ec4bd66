"""A server behind TLS, as Cloud Run and load balancers have it: a real one behind a real relay."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from harness.process import PAWFECT
from pawfect.contract.errors import TABLE, ErrorKind
from pawfect_client import PawfectClient
from pawfect_client.wire import target_of
from tests.certificates import HOST, certificate
from tests.refusals import refusal


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
def behind_tls(server, tmp_path) -> Iterator[tuple[str, Path]]:
    """The suite's server as https://HOST:PORT, and the certificate to trust."""
    key, cert = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["h2"])
    target_host, target_port = server.endpoints.grpc.split(":")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(target_host, int(target_port))
        await asyncio.gather(
            _pass_on(reader, inner_writer), _pass_on(inner_reader, writer), return_exceptions=True
        )

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(
        asyncio.start_server(serve, HOST, 0, ssl=context), loop
    ).result()
    try:
        yield f"https://{HOST}:{listening.sockets[0].getsockname()[1]}", cert
    finally:
        listening.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def inpainted(folder: Path, url: str, **variables: str) -> subprocess.CompletedProcess[str]:
    Image.new("RGB", (96, 80), (90, 120, 60)).save(folder / "photo.png")
    mask = Image.new("L", (96, 80))
    mask.paste(255, (30, 30, 50, 50))
    mask.save(folder / "mask.png")
    command = [PAWFECT, "inpaint", "photo.png", "mask.png", "--out", "filled.png", "--url", url]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True
    )


def test_a_picture_is_filled_by_a_server_behind_tls(behind_tls, tmp_path):
    url, cert = behind_tls
    ran = inpainted(tmp_path, url, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(cert))
    assert ran.returncode == 0, ran.stderr
    with Image.open(tmp_path / "filled.png") as filled:
        assert filled.size == (96, 80)


def test_a_server_that_nobody_vouches_for_is_not_called(behind_tls, tmp_path):
    ran = inpainted(tmp_path, behind_tls[0])
    assert ran.returncode == 69
    assert f"pawfect: {TABLE[ErrorKind.UNAVAILABLE].meaning}" in ran.stderr
    assert not (tmp_path / "filled.png").exists()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("10.0.0.5:8001", ("10.0.0.5:8001", False)),
        ("https://server.example", ("server.example:443", True)),
        ("https://server.example:8443", ("server.example:8443", True)),
        ("https://[::1]:8443", ("[::1]:8443", True)),
    ],
)
def test_a_url_says_where_and_whether_encrypted(url, target):
    assert target_of(url) == target


@pytest.mark.parametrize(
    "url", ["https://", "https://x/y", "https://x:", "http://x:1", "grpc://x:1", "x", ":8001"]
)
def test_another_url_is_refused(url):
    message = refusal(ErrorKind.INVALID_ARG, PawfectClient, url)
    assert message.startswith("url: expected HOST:PORT of the server's gRPC endpoint, or https://")
