"""One target under atheris: coverage says which hostile inputs lead on, libFuzzer makes them.

    python -m harness.fuzz.guided TARGET --seconds S --corpus FOLDER --found FOLDER

It is a process of its own: atheris instruments modules as they are imported, and libFuzzer ends the
process with its first finding, which it leaves in a file. What a native library does to a process
(a crash, or memory without end) is seen too.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import resource
import signal
import sys
from pathlib import Path
from typing import Final

# libFuzzer's own: input that took so long, s, and memory of the whole process, MiB. A photo's
# decoders are some 150 MiB when they are imported.
_LONGEST_S: Final = 20
_MOST_MIB: Final = 1024


def main() -> None:
    """Run a target until its time is over; exit code 0, or libFuzzer's where it found something."""
    reading = argparse.ArgumentParser(prog="harness.fuzz.guided")
    reading.add_argument("target")
    reading.add_argument("--seconds", type=int, default=60)
    reading.add_argument("--seed", type=int, default=1)
    reading.add_argument("--corpus", type=Path, required=True)
    reading.add_argument("--found", type=Path, required=True)
    given = reading.parse_args()
    _in_a_child()
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=_modules(given.target), enable_loader_override=False):
        targets = importlib.import_module("harness.fuzz.targets").TARGETS
    fuzzing = importlib.import_module("harness.fuzz.target")
    importlib.import_module("pawfect_triton.server").die_with_parent(signal.SIGKILL)
    target = targets[given.target]
    for folder in (given.corpus, given.found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.good()):
        (given.corpus / f"good-{number}").write_bytes(data)
    words = given.corpus.parent / f"{target.name}.dict"
    words.write_text("".join(f'"{_escaped(one)}"\n' for one in target.tokens if len(one) <= 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def once(data: bytes) -> None:
        if found := fuzzing.problem(target, data):
            raise AssertionError(found)

    def custom(data: bytes, most: int, seed: int) -> bytes:
        """Half of all inputs by our own mutations, which know the format."""
        rng = random.Random(seed)
        if rng.random() < 0.5:
            return bytes(atheris.Mutate(data, most))[:most]
        made: bytes = fuzzing.made(target, rng, [data])
        return made[:most]

    options = [
        f"-max_total_time={given.seconds}", f"-seed={given.seed}", f"-timeout={_LONGEST_S}",
        f"-rss_limit_mb={_MOST_MIB}", f"-max_len={target.most}", f"-dict={words}",
        f"-artifact_prefix={given.found}/", "-print_final_stats=1", "-verbosity=0",
        "-report_slow_units=60", str(given.corpus),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], once, custom_mutator=custom)
    atheris.Fuzz()


def _in_a_child() -> None:
    """Go on in a child, and end as it ends.

    libFuzzer bounds the most memory that a process has ever held, which begins with what the
    process that started it held: of a long run of tests gigabytes. A child of this one begins anew.
    """
    child = os.fork()
    if not child:
        return
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(code if code >= 0 else 128 - code)


def _modules(name: str) -> list[str]:
    """Return the modules whose branches are followed; known without importing them."""
    followed = {
        "photo": ["pawfect.photo", "PIL"], "photo-glance": ["pawfect.photo", "PIL"],
        "mask": ["pawfect.photo"], "xmp": ["pawfect.photo", "xml"],
    }  # fmt: skip
    return followed.get(name, ["pawfect", "pawfect_service", "pawfect_client", "json", "tomllib"])


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


if __name__ == "__main__":
    main()
