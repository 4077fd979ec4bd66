"""Fuzz every reader of bytes for as long as asked, led by coverage: `make fuzz SECONDS=600`.

What is found lies in build/fuzz/found/TARGET; what led on stays in build/fuzz/corpus, so that the
next run goes on from there. A finding is mended, and then kept below tests/fuzz/kept/TARGET.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import click

from harness.fuzz.targets import TARGETS

FOLDER: Final = Path("build/fuzz")


@click.command()
@click.option("--seconds", type=click.IntRange(1), default=60, show_default=True, help="Of each.")
@click.option("--target", type=click.Choice(sorted(TARGETS)), multiple=True, help="These alone.")
def main(seconds: int, target: tuple[str, ...]) -> None:
    """Run the targets one after another; exit code 1 where one found something."""
    failed = [name for name in target or TARGETS if not _is_clean(name, seconds)]
    sys.exit(1 if failed else 0)


def _is_clean(name: str, seconds: int) -> bool:
    """Run a target, say what came of it, and return whether nothing was found."""
    found = FOLDER / "found" / name
    command = [
        sys.executable, "-m", "harness.fuzz.guided", name, f"--seconds={seconds}",
        f"--seed={int.from_bytes(os.urandom(3), 'big')}",
        f"--corpus={FOLDER / 'corpus' / name}", f"--found={found}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    runs = done.stderr.rpartition("stat::number_of_executed_units:")[2].split()
    told = f"{runs[0]} inputs" if runs else "no inputs"
    clean = done.returncode == 0
    click.echo(f"{name:20} {told}{'' if clean else f', a finding: {found}'}")
    if not clean:
        click.echo(f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return clean


if __name__ == "__main__":
    main()
