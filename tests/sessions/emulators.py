"""Google's emulators on free ports, for as long as the tests run and not a moment longer."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from perf.local_server import free_ports

PROJECT = "pawfect-test"
BUCKET = "pawfect-test"
START_S = 90

# The pipe at its standard input closes with the tests' process, however that ends. gcloud leads a
# process group of its own, with a shell and Java in it.
_GUARDED = """
gcloud "$@" & child=$!
read -r _
kill -TERM -- -$child 2>/dev/null || kill -TERM $child
wait $child
kill -KILL -- -$child 2>/dev/null
"""


@dataclass(frozen=True)
class Emulator:
    """One running emulator: its address, its guard and its output."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + START_S
        while text not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"no {text!r} from the emulator in:\n{self.log.read_text()}")
            time.sleep(0.05)

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(20)


def why_none() -> str | None:
    """Return why there are no emulators here; None: there are."""
    for program in ("bash", "gcloud", "java"):
        if shutil.which(program) is None:
            return f"{program} is not installed: no Firestore and Pub/Sub emulators here"
    return None


def start(kind: str, folder: Path) -> Emulator:
    """Start the firestore or pubsub emulator; it is ready once its log says so."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    data = folder / kind
    data.mkdir()
    log = folder / f"{kind}.log"
    command = ["beta", "emulators", kind, "start", f"--host-port={address}", "--quiet"]
    if kind == "pubsub":
        command.append(f"--data-dir={data}")
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", _GUARDED, "bash", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "JAVA_TOOL_OPTIONS": "-Xmx256m"},
        )
    return Emulator(address, process, log)


@contextmanager
def all_running(folder: Path) -> Iterator[dict[str, str]]:
    """Run Firestore, Pub/Sub and storage; yield the environment that leads clients to them."""
    from gcp_storage_emulator.server import create_server

    storage_port = free_ports(1)[0]
    storage = create_server(
        "127.0.0.1", storage_port, in_memory=True, default_bucket=BUCKET, data_dir=str(folder)
    )
    started: list[Emulator] = []
    try:
        started += [start("firestore", folder), start("pubsub", folder)]
        storage.start()
        started[0].wait_for("is now running")
        started[1].wait_for("Server started")
        yield {
            "FIRESTORE_EMULATOR_HOST": started[0].address,
            "PUBSUB_EMULATOR_HOST": started[1].address,
            "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{storage_port}",
        }
    finally:
        storage.stop()
        for emulator in started:
            emulator.stop()
