"""Google's emulators on free ports: Firestore, Pub/Sub and Cloud Storage."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.local_server import HOST, free_ports

PROJECT: Final = "pawfect-test"
BUCKET: Final = "pawfect-test"
START_S: Final = 90

# The pipe at its standard input closes with the process that started it, however that ends. gcloud
# leads a process group of its own, with a shell and Java in it.
_GUARDED: Final = """
gcloud "$@" & child=$!
read -r _
kill -TERM -- -$child 2>/dev/null || kill -TERM $child
wait $child
kill -KILL -- -$child 2>/dev/null
"""


class EmulatorError(RuntimeError):
    """An emulator that does not start."""


@dataclass(frozen=True)
class Emulator:
    """One running emulator.

    Attributes:
        address: HOST:PORT.
        process: its guard.
        log: its output.
    """

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, text: str) -> None:
        """Return once its output has the text.

        Raises:
            EmulatorError: it ended, or took too long.
        """
        end = time.monotonic() + START_S
        while text not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > end:
                said = self.log.read_text(errors="replace")
                raise EmulatorError(f"no {text!r} from the emulator in:\n{said}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it with all that it started."""
        if self.process.stdin:
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
    address = f"{HOST}:{free_ports(1)[0]}"
    data = folder / kind
    data.mkdir(parents=True)
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

    port = free_ports(1)[0]
    storage = create_server(
        HOST, port, in_memory=True, default_bucket=BUCKET, data_dir=str(folder.resolve())
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
            "STORAGE_EMULATOR_HOST": f"http://{HOST}:{port}",
        }
    finally:
        storage.stop()
        for emulator in started:
            emulator.stop()
