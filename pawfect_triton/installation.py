"""Where the server comes from and what the machine lacks for it.

Two installations serve the same model repository: a `tritonserver` on PATH (the container), or the
binary inside the nvidia-pytriton wheel (a laptop, CI), whose Python backend is assembled here.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Smallest shared memory for pictures between the server and its models: three copies of a 50 MP
# picture in flight. Docker gives a container 64 MB. One of 108 MP takes 1.2 GB.
MIN_SHM_BYTES: Final = 512 * 2**20
SHM_FOLDER: Final = Path("/dev/shm")
# Systems for which the wheel exists, as `platform` names them; requirements/tritonserver.txt too.
WHEEL_SYSTEMS: Final = frozenset({("Linux", "x86_64"), ("Linux", "aarch64")})
_INSTALL: Final = "pip install --no-deps nvidia-pytriton==0.7.0"


class MachineError(RuntimeError):
    """What the machine lacks; each problem says how to mend it."""

    def __init__(self, problems: list[str]) -> None:
        several = "".join(f"\n- {problem}" for problem in problems)
        super().__init__(f" {problems[0]}" if len(problems) == 1 else several)
        self.problems = problems


@dataclass(frozen=True)
class Installation:
    """A runnable server.

    Attributes:
        binary: the executable.
        backends: folder of backends; None: the binary's own.
        environment: variables that the server needs beside the caller's.
        source: where it comes from, for people.
        caches: folder of response caches; None: the binary's own.
    """

    binary: Path
    backends: Path | None
    environment: Mapping[str, str]
    source: str
    caches: Path | None = None


def why_no_server(
    search_path: str | None = None, system: tuple[str, str] | None = None
) -> str | None:
    """Return why this machine has no server at all; None where it has one.

    Args:
        search_path: where `tritonserver` is looked for; None: PATH.
        system: of `platform`, system and machine; None: this one's.
    """
    if shutil.which("tritonserver", path=search_path) or _wheel() is not None:
        return None
    system = system or (platform.system(), platform.machine())
    if system in WHEEL_SYSTEMS:
        return f"the wheel of the local server is not installed: {_INSTALL}"
    offered = " and ".join(" ".join(each) for each in sorted(WHEEL_SYSTEMS, reverse=True))
    return f"the wheel of the local server exists for {offered}, not for {' '.join(system)}"


def _wheel() -> Path | None:
    """Return the wheel's package; None where it is not installed."""
    spec = importlib.util.find_spec("pytriton")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def find_installation(run_folder: Path) -> Installation:
    """Return the server of this machine.

    Args:
        run_folder: an existing folder of this run; the wheel's Python backend is assembled in it.

    Raises:
        MachineError: neither server is complete here.
    """
    stub_path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    on_path = shutil.which("tritonserver")
    if on_path:
        return Installation(Path(on_path), None, {"PATH": stub_path}, f"PATH ({on_path})")
    package = _wheel()
    if package is None:
        raise MachineError(
            [
                f"no tritonserver on PATH, and {why_no_server()}; without a server "
                "`pawfect inpaint --local` fills in its own process"
            ]
        )
    return _from_wheel(package, run_folder, stub_path)


def _from_wheel(package: Path, run_folder: Path, stub_path: str) -> Installation:
    server = package / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    library_folders = [package.parent / "nvidia_pytriton.libs", Path(_config("LIBDIR"))]
    problems = []
    if not stub.exists():
        offered = ", ".join(sorted(path.name for path in stub.parent.parent.iterdir()))
        problems.append(f"Python {version}: the server has stubs for {offered}; use one of these")
    libpython = _config("INSTSONAME")
    if ".so" not in libpython or not _can_find(libpython, library_folders):
        problems.append(
            f"no shared libpython{version}: install Debian's libpython{version}, or build Python "
            "with --enable-shared"
        )
    if problems:
        raise MachineError(problems)
    backend = run_folder / "backends" / "python"
    backend.mkdir(parents=True)
    for file in (*(server / "backends" / "python").glob("*triton*.*"), stub):
        (backend / file.name).symlink_to(file)
    library_path = [*map(str, library_folders), os.environ.get("LD_LIBRARY_PATH", "")]
    return Installation(
        server / "bin" / "tritonserver",
        backend.parent,
        {"PATH": stub_path, "LD_LIBRARY_PATH": os.pathsep.join(filter(None, library_path))},
        "the nvidia-pytriton wheel",
        server / "caches",
    )


def _config(name: str) -> str:
    return str(sysconfig.get_config_var(name) or "")


def _can_find(library: str, folders: list[Path]) -> bool:
    if any((folder / library).exists() for folder in folders):
        return True
    ldconfig = shutil.which("ldconfig", path="/sbin:/usr/sbin:" + os.environ.get("PATH", ""))
    if ldconfig is None:
        return False
    listed = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False)
    return library in listed.stdout


def check_machine(installation: Installation, host: str, ports: Mapping[str, int]) -> None:
    """Raise MachineError where the server would start and then fail.

    Args:
        installation: the server.
        host: the address it will listen on.
        ports: the ports it will listen on, by name.
    """
    problems = [*_missing_libraries(installation), *_python_problems(installation)]
    if len(set(ports.values())) < len(ports):
        problems.append(f"ports: expected {len(ports)} different ones, got {dict(ports)}")
    for name, port in ports.items():
        if problem := _why_not_free(host, port, name):
            problems.append(f"{name} port {port} {problem}")
    if SHM_FOLDER.exists():
        free = shutil.disk_usage(SHM_FOLDER).free
        if free < MIN_SHM_BYTES:
            problems.append(
                f"{SHM_FOLDER} has {free // 2**20} MiB free, {MIN_SHM_BYTES // 2**20} are needed: "
                "in Docker, --shm-size=3g"
            )
    if problems:
        raise MachineError(problems)


def _missing_libraries(installation: Installation) -> list[str]:
    ldd = shutil.which("ldd")
    if ldd is None:
        return []
    listed = subprocess.run(
        [ldd, str(installation.binary)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **installation.environment},
    )
    missing = [line.split()[0] for line in listed.stdout.splitlines() if "not found" in line]
    return [f"shared library {name}: install the package that has it" for name in missing]


def _python_problems(installation: Installation) -> list[str]:
    """Return what would make models of the wheel's server fail silently."""
    if installation.backends is None:
        return []
    import numpy as np

    if int(np.__version__.split(".")[0]) >= 2:
        return [
            f"numpy {np.__version__}: this server's Python stub returns empty tensors "
            "with numpy 2; pip install 'numpy<2'"
        ]
    return []


def _why_not_free(host: str, port: int, name: str) -> str | None:
    """Return why a port cannot be listened on, and what to change; None where it can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"is taken on {host}: choose another, --{name}-port"
            # An address of no interface here, or a name that nobody knows.
            reason = error.strerror or type(error).__name__
            return f"cannot be listened on at {host} ({reason}): choose another, --host"
    return None
