"""Running the real perf_analyzer: where its binary comes from, what it is sent, what it says."""

from __future__ import annotations

import base64
import csv
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from pawfect.contract.tables import field_types, plain_type
from pawfect.contract.tensors import Array
from pawfect.models import MODELS
from perf.bench.configs import AnalyzerConfig

# The last release whose binary runs on glibc 2.36 (Debian 12); later ones need 2.38.
VERSION: Final = "2.51.0"
# Longest measurement, s.
TIMEOUT_S: Final = 900
# How perf_analyzer names the types of parameters; all else is a string.
_KINDS: Final[Mapping[type, str]] = {bool: "bool", int: "int"}


class AnalyzerError(RuntimeError):
    """perf_analyzer could not be had or failed; the text says which."""


@dataclass(frozen=True)
class Measurement:
    """What perf_analyzer measured at one concurrency, ms and inferences a second."""

    model: str
    concurrency: int
    requests: int
    throughput: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    queue_ms: float
    compute_ms: float


class Analyzer:
    """A perf_analyzer that runs here, out of the package that carries it.

    Args:
        folder: where the binary and its inputs are kept between runs.

    Raises:
        AnalyzerError: the package is not to be had.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._libraries = folder / "lib"
        self._binary = self._from_wheel()

    def measure(
        self,
        config: AnalyzerConfig,
        requests: Sequence[Mapping[str, Array]],
        url: str,
        concurrency: int,
    ) -> Measurement:
        """Measure one model at one concurrency.

        Args:
            config: how.
            requests: input tensors by name, sent in turn.
            url: HOST:PORT of gRPC.
            concurrency: requests kept in flight.
        """
        data = self._folder / f"{config.model}.json"
        data.write_text(json.dumps({"data": [input_data(arrays) for arrays in requests]}))
        report = self._folder / f"{config.model}-{concurrency}.csv"
        report.unlink(missing_ok=True)
        arguments = [
            *("-m", config.model, "-u", url, "-i", "grpc", "--async"),
            *(["--streaming"] if config.streaming else []),
            *("--input-data", str(data), "-f", str(report), "--verbose-csv"),
            *("--concurrency-range", f"{concurrency}:{concurrency}"),
            *("--request-count", str(config.requests)),
        ]
        parameters: type = MODELS[config.model].parameters
        for name, text in config.parameters.items():
            kind = _KINDS.get(plain_type(field_types(parameters)[name]), "string")
            arguments += ["--request-parameter", f"{name}:{text}:{kind}"]
        said = self._run(arguments)
        if not report.is_file():
            raise AnalyzerError(f"perf_analyzer wrote no report for {config.model}:\n{said}")
        with report.open(newline="") as lines:
            row = next(csv.DictReader(lines))
        return parse_row(config, concurrency, row)

    def _run(self, arguments: list[str]) -> str:
        libraries = os.pathsep.join([str(self._libraries), str(_bundled_libraries())])
        ended = subprocess.run(
            [str(self._binary), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            env={**os.environ, "LD_LIBRARY_PATH": libraries},
        )
        if ended.returncode != 0:
            raise AnalyzerError(f"perf_analyzer ended with {ended.returncode}:\n{ended.stdout}")
        return ended.stdout

    def _from_wheel(self) -> Path:
        """Take the binary out of its wheel and give it the two libraries it lacks."""
        binary = self._folder / "perf_analyzer"
        if not binary.is_file():
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            platform = ["--only-binary=:all:", "--platform=manylinux1_x86_64"]
            wanted = ["-d", str(self._folder), f"tritonclient=={VERSION}"]
            ended = subprocess.run(
                [*command, *platform, *wanted], capture_output=True, text=True, check=False
            )
            if ended.returncode:
                raise AnalyzerError(f"no {wanted[-1]}, which has perf_analyzer:\n{ended.stderr}")
            (carrier,) = self._folder.glob(f"tritonclient-{VERSION}*.whl")
            with zipfile.ZipFile(carrier) as wheel:
                (member,) = (n for n in wheel.namelist() if n.endswith("/bin/perf_analyzer"))
                binary.write_bytes(wheel.read(member))
            binary.chmod(0o755)
        self._libraries.mkdir(exist_ok=True)
        for name, pattern in (("libb64.so.0d", "libb64-*"), ("libcudart.so.12", "libcudart-*")):
            link = self._libraries / name
            found = next(_bundled_libraries().glob(pattern), None)
            if found and not link.exists():
                link.unlink(missing_ok=True)
                link.symlink_to(found)
        return binary


def _bundled_libraries() -> Path:
    """Return the folder of shared libraries in the wheel that carries the server."""
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        return Path()
    return Path(spec.origin).parents[1] / "nvidia_pytriton.libs"


def input_data(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return one request in perf_analyzer's JSON: texts or base64 of the bytes, and the shape."""
    return {
        name: {"content": _content(array), "shape": [*array.shape]}
        for name, array in arrays.items()
    }


def _content(array: Array) -> Any:
    if array.dtype == np.object_:
        return [text.decode() for text in array.tolist()]
    return {"b64": base64.b64encode(array.tobytes()).decode()}


def parse_row(config: AnalyzerConfig, concurrency: int, row: Mapping[str, str]) -> Measurement:
    """Read one row of perf_analyzer's CSV, whose times are microseconds."""

    def ms(name: str) -> float:
        return round(float(row.get(name) or 0) / 1000, 2)

    return Measurement(
        config.model,
        concurrency,
        config.requests,
        # Its own count of inferences a second comes in whole windows of a second.
        round(concurrency * 1e6 / float(row["Avg latency"]), 3),
        ms("p50 latency"),
        ms("p95 latency"),
        ms("p99 latency"),
        ms("Server Queue"),
        ms("Server Compute Infer"),
    )
