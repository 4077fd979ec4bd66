"""Networks that onnxruntime runs: a verified folder's one file, opened for the CPU."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.tensors import Array
from pawfect.stop import Stop, look, never
from pawfect.weights.reading import unusable

EXTRA: Final = "server"  # of this package: what serving ONNX files needs
LOOK_S: Final = 0.05  # between two looks at `stop` while a network runs
# onnxruntime has no exception of its own for it.
_SHORT_OF_MEMORY: Final = re.compile("bad_alloc|bad allocation|[Ff]ailed to allocate memory")


@dataclass(frozen=True)
class Tensor:
    """An input or output of a file.

    Attributes:
        name: its name.
        type: such as `tensor(float)`.
        shape: sizes; those that are left open are texts or None.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True, eq=False)
class Session:
    """An open file.

    Attributes:
        inputs: what it takes.
        outputs: what it gives.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    _runtime: Any

    def run(self, fed: Mapping[str, Array], stop: Stop = never) -> Array:
        """Return the first output.

        Args:
            fed: inputs by name.
            stop: ends the run between two of the graph's nodes.

        Raises:
            PawfectError: CANCELLED, since `stop` said so.
            MemoryError: there is not enough for it.
            Exception: whatever onnxruntime makes of a graph that fails otherwise.
        """
        look(stop)
        try:
            output = self._ended_by(stop, fed)
        except Exception as error:
            look(stop)
            if _SHORT_OF_MEMORY.search(str(error)):
                raise MemoryError from None
            raise
        look(stop)
        return output

    def _ended_by(self, stop: Stop, fed: Mapping[str, Array]) -> Array:
        """Run in a thread of its own; this one looks at `stop`."""
        from onnxruntime import RunOptions

        options = RunOptions()
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(self._runtime.run, [self.outputs[0].name], dict(fed), options)
            try:
                while not wait({running}, LOOK_S).done and not stop():
                    pass
            finally:
                # Where it has ended this does nothing; else it ends after the node that it is at.
                options.terminate = True
            output: Array = running.result()[0]
        return output


def open_session(folder: Path, threads: int) -> Session:
    """Open the ONNX file of a folder.

    Args:
        folder: of verified weights, with one ONNX file.
        threads: that one call works with.

    Raises:
        PawfectError: UNAVAILABLE where onnxruntime is not installed, or the file is damaged, uses
            what this onnxruntime lacks, or is not the only one.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise PawfectError(
            ErrorKind.UNAVAILABLE,
            f"weights {folder.name}: serving them needs the package onnxruntime: "
            f"pip install 'pawfect[{EXTRA}]'",
        ) from None
    files = sorted(folder.glob("*.onnx"))
    if len(files) != 1:
        raise unusable(folder, f"expected one ONNX file, got {len(files)}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # What one picture took is given back after it: requests are rare, and memory is a laptop's.
    options.enable_cpu_mem_arena = False
    # Fatal ones only: what fails is raised, and a graph's own warnings help nobody.
    options.log_severity_level = 4
    try:
        opened = onnxruntime.InferenceSession(
            str(files[0]), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        inputs, outputs = map(_described, (opened.get_inputs(), opened.get_outputs()))
    except Exception as error:  # noqa: BLE001 - a damaged file fails in any way, its names' decoding included
        # Its text may hold a path.
        raise unusable(
            folder, f"expected an ONNX file that onnxruntime loads, got {type(error).__name__}"
        ) from None
    return Session(inputs, outputs, opened)


def _described(tensors: Any) -> tuple[Tensor, ...]:
    return tuple(Tensor(tensor.name, tensor.type, tuple(tensor.shape)) for tensor in tensors)
