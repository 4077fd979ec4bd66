"""What commands of their own show: compiled blocks, attention, and that prompts are tested."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from pawfect.profile import Profile
from pawfect_triton.server import die_with_parent

ROOT: Final = Path(__file__).resolve().parents[2]
PROMPTS: Final = "tests/pawfect/scene/test_prompt.py"
# On a card compiling takes a minute or two; a build that hangs is no reason to wait for ever, s.
LONGEST_S: Final = 1800.0
# Eager over compiled: less is not worth a start that compiles.
FASTER: Final = 1.05
# Words of `perf.audit.compiled.summary`.
NOT_COMPILED: Final = "NOT COMPILED:"
EXPLAINED: Final = "torch._dynamo.explain()"


@dataclass(frozen=True)
class Told:
    """A command as it ended.

    Attributes:
        exit_code: 0: well.
        text: its output; where it ended badly what it complained of, too.
        seconds: it took.
    """

    exit_code: int
    text: str
    seconds: float

    @classmethod
    def of(cls, table: dict[str, Any]) -> Self:
        """Read what `asdict` made of it."""
        return cls(**table)

    @property
    def conclusive(self) -> bool:
        """Whether a compilation was tried to its end: that it failed is then the finding."""
        tried = NOT_COMPILED in self.text and "out of memory" not in self.text.lower()
        return tried or (self.exit_code == 0 and EXPLAINED in self.text)

    @property
    def pays(self) -> bool:
        """Whether compiled steps are faster, by the command's words, beyond the noise of timing."""
        found = re.search(r"([\d.]+) ms eager, ([\d.]+) ms compiled", self.text)
        return found is not None and float(found[1]) > FASTER * float(found[2])

    @property
    def passed(self) -> int:
        """Tests that pytest counted as passed."""
        found = re.search(r"(\d+) passed", self.text)
        return int(found[1]) if found else 0


def compiled(profile: Profile, engine: str) -> Told:
    """Have an engine's own blocks compiled, on the profile's card where there is one."""
    return _run("-m", "perf.audit", "compile", *_of(profile, engine))


def attention_timed(profile: Profile, engine: str) -> Told:
    """Have the ways to compute attention timed in turn, on the card where there is one."""
    return _run("-m", "perf.audit", "attention", *_of(profile, engine))


def _of(profile: Profile, engine: str) -> tuple[str, ...]:
    return "--profile", profile.name, "--engine", engine


def prompts_tested() -> Told:
    """Run the tests of the module that builds prompts."""
    return _run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", PROMPTS)


def _run(*arguments: str) -> Told:
    began = time.perf_counter()
    try:
        ended = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=LONGEST_S,
            check=False,
            # It may hold a card's memory: none is left behind.
            preexec_fn=die_with_parent,
        )
    except subprocess.TimeoutExpired:
        return Told(-1, f"expected it to end within {LONGEST_S:g} s, it did not", LONGEST_S)
    # Libraries warn there of what is none of ours.
    complaint = ended.stderr if ended.returncode else ""
    text = f"{ended.stdout}{complaint}".strip()
    return Told(ended.returncode, text, round(time.perf_counter() - began, 1))
