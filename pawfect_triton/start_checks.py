"""What would spoil a server's start, found before its processes are: settings, weights, disk, card.

Each problem is one line that says what was expected, what came, and how to mend it.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from pawfect.contract.collector import check_collector
from pawfect.contract.errors import PawfectError
from pawfect.judges.settings import CLIENTS
from pawfect.judges.settings import read_settings as read_judge
from pawfect.matting.presets import read_defaults
from pawfect.models import MODELS
from pawfect.profile import Profile
from pawfect.refine.remote_settings import read_settings as read_remote
from pawfect.weights.lock import LOCK_NAME
from pawfect.weights.store import ROOT_VARIABLE, weights_root
from pawfect_triton.installation import MachineError

# A run's own folder holds configs, and at most a copy of the compiled code: 2 MB, and some 4 more
# while it is copied and compiled. Less free than this, and something else fails next.
MIN_RUN_BYTES: Final = 32 * 2**20
# How long the driver's tool may take, s: it answers within 1 where the driver is well.
_CARDS_S: Final = 5.0
_MIB_IN_GIB: Final = 1024


def check_start(profile: Profile, environment: Mapping[str, str] | None = None) -> None:
    """Raise MachineError for all that is wrong with what a profile's server starts from.

    Args:
        profile: that is to be served.
        environment: None: the process's.
    """
    given = os.environ if environment is None else environment
    problems = [
        *setting_problems(profile, given),
        *weights_problems(profile),
        *disk_problems(),
        *card_problems(profile),
    ]
    if problems:
        raise MachineError(problems)


def setting_problems(profile: Profile, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what the environment says that the profile's models could not use."""
    if problem := _refused(partial(check_collector, environment)):
        yield f"traces: {problem}"
    if "refine" in profile.models and (problem := _refused(partial(read_remote, environment))):
        yield f"the remote engine of refine: {problem}"
    for judge in CLIENTS:
        if f"score_{judge}" in profile.models and (
            problem := _refused(partial(read_judge, judge, environment))
        ):
            yield f"the judge {judge}: {problem}"
    cutout = profile.cutout
    if cutout is not None and (problem := _refused(partial(read_defaults, cutout, environment))):
        yield f"the defaults of background_removal: {problem}"


def _refused(read: Callable[[], object]) -> str | None:
    """Return why settings cannot be read; None where they can, or where there are none."""
    try:
        read()
    except PawfectError as error:
        return error.message
    return None


def weights_problems(profile: Profile) -> Iterator[str]:
    """Yield what of the weights is here and cannot be read; what is missing is no hindrance."""
    root = weights_root()
    try:
        held = {path.name for path in root.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        yield (
            f"{ROOT_VARIABLE}: expected a folder that this user can read, got {error.strerror}: "
            "name another, or give it the right to read it"
        )
        return
    entries = sorted(set(profile.weights.values()) & held)
    files = (path for entry in entries for path in _files(root / entry))
    for path in [*files, *([root / LOCK_NAME] if LOCK_NAME in held else [])]:
        try:
            path.open("rb").close()
        except OSError as error:
            yield (
                f"weights {path.relative_to(root)}: expected a file that this user can read, got "
                f"{error.strerror}: give it the right to, or fetch it anew with `pawfect weights "
                f"fetch {profile.name}`"
            )


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below an entry's folder, and folders that cannot be looked into."""
    unreadable: list[Path] = []

    def keep(error: OSError) -> None:
        unreadable.append(Path(error.filename))

    for below, _, names in os.walk(folder, onerror=keep):
        yield from (Path(below) / name for name in names)
    yield from unreadable


def disk_problems() -> Iterator[str]:
    """Yield why a run's own folder could not be made and filled."""
    try:
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
    except OSError:
        yield (
            "temporary files: expected a folder that can be written to, got none: free space "
            "there, or name another, TMPDIR"
        )
        return
    if free < MIN_RUN_BYTES:
        yield (
            f"temporary files: expected {MIN_RUN_BYTES // 2**20} MiB free, got {free // 2**20}: "
            "free space there, or name another folder, TMPDIR"
        )


def is_of_disk(error: BaseException) -> bool:
    """Say whether an error is that the disk holds no more."""
    full = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
    return isinstance(error, OSError) and error.errno in full


def unwritable(error: BaseException) -> MachineError:
    """Return the problem that the run's own folder cannot be written to, for the reason given."""
    reason = getattr(error, "strerror", None) or type(error).__name__
    return MachineError(
        [
            f"temporary files: expected to write some, got {reason}: free space there, or name "
            "another folder, TMPDIR"
        ]
    )


def card_problems(profile: Profile) -> Iterator[str]:
    """Yield why no card here holds a profile, by its memory table.

    Without a card and without weights for one nothing would be loaded on it: a card's profile can
    be rehearsed on any machine.
    """
    needed = profile.limits.card_gib
    if not needed:
        return
    found = cards_gib()
    if found is None:
        return
    mend = "choose a profile that fits, such as --profile embedded, which needs none"
    if not found and _has_card_weights(profile):
        yield f"profile {profile.name}: expected a card of {needed:g} GiB, got none: {mend}"
    elif found and max(found) < needed:
        got = ", ".join(f"{each:.1f}" for each in found)
        yield f"profile {profile.name}: expected a card of {needed:g} GiB, got {got}: {mend}"


def _has_card_weights(profile: Profile) -> bool:
    """Say whether any weights are here of models that the profile puts on a card."""
    on_card = (each for each in map(MODELS.__getitem__, profile.models) if each.weights)
    entries = {
        profile.entry(part)
        for each in on_card
        if profile.device(each) == "cuda"
        for part in each.weights
    }
    return any((weights_root() / entry).is_dir() for entry in entries)


def cards_gib() -> tuple[float, ...] | None:
    """Return the memory of each NVIDIA card here, GiB; None where that cannot be found out."""
    if not Path("/dev/nvidiactl").exists():
        return ()
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, timeout=_CARDS_S, check=True
        )
        return tuple(int(line) / _MIB_IN_GIB for line in asked.stdout.split())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
