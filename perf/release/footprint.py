"""`make footprint`: what a set-up takes on disk, and a profile in memory; a ledger of both.

    python -m perf.release.footprint [--out perf/results]

Disk: the bytes of a set's packages as their own lists of files say, without compiled code, so the
same on every machine of one system. Memory: of a card's profile what the memory table says; of
`embedded` what a server holds that has started and filled the reference scene. tests/perf/release
holds this environment and the tables to the ledger.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import click

from harness.local_server import running_server
from pawfect.profile import Profile, load_profile, profile_names
from pawfect_client.client import PawfectClient
from perf.diffusion.memory import processes_of, total_gib
from perf.peak_memory import PeakMemory, tree_bytes
from perf.publish import as_markdown, provenance, publish, table
from perf.release.parts import installed_here
from perf.release.pins import SETS, pins_of
from perf.scenes import load_scene

NAME: Final = "footprint"
MEASURED: Final = "embedded"
GIB: Final = 2**30
MB: Final = 1e6
# Of the fill: a busy machine is no failure, ms.
DEADLINE_MS: Final = 120_000
# Between two looks at the server's memory, s.
_LOOK_S: Final = 0.2
_COMPILED: Final = ".pyc"
_DISK: Final = """
Packages by set of requirements, installed, compiled code left out. torch is the build that this
machine's registry offers; with its GPU libraries it takes gigabytes more.

"""
_MEMORY: Final = """
Memory by profile. The card's is modelled (perf/diffusion/memory.py); the server's is the
proportional set size of all its processes, after the start and at most while it fills the
reference scene.

"""


@dataclass(frozen=True)
class SetSize:
    """What a set of requirements takes.

    Attributes:
        packages: how many are for this system.
        bytes: of their files, installed, without compiled code.
        absent: those among them that are not installed where it was measured, whose bytes are
            missing in `bytes`.
    """

    packages: int
    bytes: int
    absent: tuple[str, ...]


@dataclass(frozen=True)
class ProfileSize:
    """What a profile takes.

    Attributes:
        set: of requirements.
        card_gib: of the card's memory, by the memory table, GiB; 0: it uses none.
    """

    set: str
    card_gib: float


def set_size(name: str) -> SetSize:
    """Return what a set takes in this environment.

    Args:
        name: of `pins.SETS`.
    """
    here = [pin for pin in pins_of(SETS[name]) if installed_here(pin)]
    sizes = {pin.name: package_bytes(pin.name) for pin in here}
    absent = tuple(name for name, size in sizes.items() if size is None)
    return SetSize(len(here), sum(size or 0 for size in sizes.values()), absent)


def package_bytes(name: str) -> int | None:
    """Return the bytes of an installed package's files; None where it is not installed."""
    try:
        files = distribution(name).files or ()
    except PackageNotFoundError:
        return None
    return sum(file.size or 0 for file in files if file.suffix != _COMPILED)


def profile_size(profile: Profile) -> ProfileSize:
    """Return what a profile takes, by the tables alone."""
    own = "neural" if profile.neural else "server"
    return ProfileSize(own, round(total_gib(processes_of(profile)), 2))


def measured_memory(profile: str) -> Mapping[str, float]:
    """Return what a profile's server holds, proportional set sizes in MB.

    Args:
        profile: its name.

    Returns:
        `started`: when every model has answered; `filling`: the most during one fill of the
        reference scene.
    """
    scene = load_scene()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(profile, Path(folder) / "server.log") as server,
    ):
        pid = server.pid
        assert pid is not None
        started = tree_bytes(pid, "pss")
        with (
            PeakMemory(lambda: tree_bytes(pid, "pss"), _LOOK_S) as peak,
            PawfectClient(server.endpoints.grpc) as client,
        ):
            client.inpaint(scene.photo, scene.mask, seed=7, deadline_ms=DEADLINE_MS)
    return {"started": round(started / MB), "filling": round(peak.bytes / MB)}


def ledger() -> dict[str, Any]:
    """Measure all of it."""
    return {
        "provenance": provenance("make footprint", ("pawfect", "torch", "nvidia-pytriton")),
        "sets": {name: asdict(set_size(name)) for name in SETS},
        "profiles": {name: asdict(profile_size(load_profile(name))) for name in profile_names()},
        "memory_mb": {MEASURED: dict(measured_memory(MEASURED))},
    }


def page_of(result: Mapping[str, Any]) -> str:
    """Return the ledger as Markdown."""
    sets = [
        (name, size["packages"], f"{size['bytes'] / MB:.0f}", ", ".join(size["absent"]) or "-")
        for name, size in result["sets"].items()
    ]
    measured = result["memory_mb"]
    profiles = []
    for name, size in result["profiles"].items():
        held = measured.get(name)
        memory = f"{held['started']:.0f}, filling {held['filling']:.0f}" if held else "-"
        card = f"{size['card_gib']:.1f}" if size["card_gib"] else "-"
        profiles.append((name, size["set"], card, memory))
    return (
        "# What a set-up and a profile take\n\n"
        + as_markdown(result["provenance"])
        + _DISK
        + table(("set", "packages", "MB", "not installed here, so not counted"), sets)
        + _MEMORY
        + table(("profile", "set", "card, GiB", "server, MB"), profiles)
    )


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("perf/results"),
    show_default=True,
    help="Folder for the results.",
)
def main(out: Path) -> None:
    """Measure what set-ups and profiles take, and write the ledger."""
    result = ledger()
    publish(out, NAME, result, page_of(result))
    click.echo(page_of(result))


if __name__ == "__main__":
    main()
