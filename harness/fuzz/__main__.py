"""Fuzz every reader of bytes for as long as asked, led by coverage: `make fuzz SECONDS=600`.

What is found lies in build/fuzz/found/TARGET; what led on stays in build/fuzz/corpus, so that the
next run goes on from there. A finding is mended, and then kept below tests/fuzz/kept/TARGET.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from harness.fuzz.targets import TARGETS

FOLDER: Final = Path("build/fuzz")


def main() -> int:
    """Run the targets one after another; return 1 where one found something."""
    reading = argparse.ArgumentParser(prog="harness.fuzz")
    reading.add_argument("--seconds", type=int, default=60, help="of each target")
    reading.add_argument("--target", choices=sorted(TARGETS), action="append")
    given = reading.parse_args()
    failed = []
    for name in given.target or TARGETS:
        found = FOLDER / "found" / name
        command = [
            sys.executable, "-m", "harness.fuzz.guided", name, f"--seconds={given.seconds}",
            f"--seed={int.from_bytes(os.urandom(3), 'big')}",
            f"--corpus={FOLDER / 'corpus' / name}", f"--found={found}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        runs = done.stderr.rpartition("stat::number_of_executed_units:")[2].split()
        told = f"{runs[0]} inputs" if runs else "no inputs"
        print(f"{name:20} {told}{'' if done.returncode == 0 else f', a finding: {found}'}")
        if done.returncode:
            failed.append(name)
            print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
