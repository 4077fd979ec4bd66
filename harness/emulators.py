"""Google's emulators on free ports: Firestore, Pub/Sub and Cloud Storage."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harness.local_server import HOST, free_ports
from harness.process import LoggedProcess

PROJECT: Final = "pawfect-test"
BUCKET: Final = "pawfect-test"

# The pipe at its standard input closes with the process that started it, however that ends. gcloud
# leads a process group of its own, with a shell and Java in it.
_GUARDED: Final = """
gcloud "$@" & child=$!
read -r _
kill -TERM -- -$child 2>/dev/null || kill -TERM $child
wait $child
kill -KILL -- -$child 2>/dev/null
"""


class Emulator(LoggedProcess):
    """One running emulator, at `address`, HOST:PORT; its process is the guard."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.address = f"{HOST}:{free_ports(1)[0]}"
        data = folder / kind
        data.mkdir(parents=True)
        command = ["beta", "emulators", kind, "start", f"--host-port={self.address}", "--quiet"]
        if kind == "pubsub":
            command.append(f"--data-dir={data}")
        super().__init__(
            ["bash", "-c", _GUARDED, "bash", *command],
            folder / f"{kind}.log",
            environment={**os.environ, "JAVA_TOOL_OPTIONS": "-Xmx256m"},
            stdin=subprocess.PIPE,
        )

    def stop(self) -> int:
        """End it with all that it started."""
        if self.process.stdin:
            self.process.stdin.close()
        return self.process.wait(20)


def why_none() -> str | None:
    """Return why there are no emulators here; None: there are."""
    for program in ("bash", "gcloud", "java"):
        if shutil.which(program) is None:
            return f"{program} is not installed: no Firestore and Pub/Sub emulators here"
    return None


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
        started += [Emulator("firestore", folder), Emulator("pubsub", folder)]
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
