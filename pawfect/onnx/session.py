"""Networks that onnxruntime runs: a file of a verified folder, opened for a device."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.tensors import Array
from pawfect.onnx.sizes import with_open_sizes
from pawfect.stop import Stop, look, never
from pawfect.weights.reading import unusable

EXTRA: Final = "server"  # of this package: what serving ONNX files needs
LOOK_S: Final = 0.05  # between two looks at `stop` while a network runs
CPU: Final = "cpu"
# By device, the execution provider that runs it. TensorRT takes what it can; CUDA runs the rest.
_PROVIDERS: Final[Mapping[str, tuple[str, ...]]] = {
    CPU: (),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
_FALLS_TO: Final = ("cuda", CPU)
# onnxruntime has no exception of its own for it.
_SHORT_OF_MEMORY: Final = re.compile(
    "bad_alloc|bad allocation|[Ff]ailed to allocate memory|out of memory|CUDA failure 2:"
    "|ALLOC_FAILED|Available memory of"
)


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
        device: what it runs on: cpu, cuda or tensorrt.
        notes: what its maker wrote into the file beside the graph, by name.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    device: str
    notes: Mapping[str, str]
    _runtime: Any

    def run(self, fed: Mapping[str, Array], stop: Stop = never, output: int = 0) -> Array:
        """Return one output.

        Args:
            fed: inputs by name.
            stop: ends the run between two of the graph's nodes.
            output: its place among `outputs`.

        Raises:
            PawfectError: CANCELLED, since `stop` said so.
            MemoryError: there is not enough for it.
            Exception: whatever onnxruntime makes of a graph that fails otherwise.
        """
        (result,) = self.run_all(fed, stop, (output,))
        return result

    def run_all(
        self, fed: Mapping[str, Array], stop: Stop = never, outputs: Sequence[int] | None = None
    ) -> tuple[Array, ...]:
        """Return several outputs of one run; errors as `run`.

        Args:
            fed: inputs by name.
            stop: ends the run between two of the graph's nodes.
            outputs: their places among `outputs`; None: all.
        """
        places = range(len(self.outputs)) if outputs is None else outputs
        look(stop)
        try:
            results = self._ended_by(stop, fed, [self.outputs[place].name for place in places])
        except Exception as error:
            look(stop)
            if short_of_memory(error):
                raise MemoryError from None
            raise
        look(stop)
        return results

    def _ended_by(
        self, stop: Stop, fed: Mapping[str, Array], outputs: Sequence[str]
    ) -> tuple[Array, ...]:
        """Run in a thread of its own; this one looks at `stop`."""
        from onnxruntime import RunOptions

        options = RunOptions()
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(self._runtime.run, list(outputs), dict(fed), options)
            try:
                while not wait({running}, LOOK_S).done and not stop():
                    pass
            finally:
                # Where it has ended this does nothing; else it ends after the node that it is at.
                options.terminate = True
            results: tuple[Array, ...] = tuple(running.result())
        return results


def short_of_memory(error: Exception) -> bool:
    """Say whether what onnxruntime raised means that memory is short."""
    return isinstance(error, MemoryError) or bool(_SHORT_OF_MEMORY.search(str(error)))


def usable_device(device: str) -> str:
    """Return the device itself, or the next that this onnxruntime can use: cuda, cpu.

    Raises:
        PawfectError: UNAVAILABLE where onnxruntime is not installed.
    """
    there: set[str] = set(_onnxruntime("onnxruntime").get_available_providers())
    nearest = (device,) if device == CPU else (device, *_FALLS_TO)
    return next(one for one in nearest if there.issuperset(_PROVIDERS[one]))


def open_session(
    folder: Path,
    threads: int,
    *,
    device: str = CPU,
    file: str | None = None,
    any_size: bool = False,
) -> Session:
    """Open an ONNX file of a folder.

    Args:
        folder: of verified weights.
        threads: that one call works with on the CPU.
        device: cpu, cuda or tensorrt.
        file: its name; None: the folder's only one.
        any_size: whether the sizes that the file states are left open; see `with_open_sizes`.

    Raises:
        PawfectError: UNAVAILABLE where onnxruntime is not installed or lacks the device, or the
            file is damaged, uses what this onnxruntime lacks, or is not the only one.
        MemoryError: there is not enough for it.
    """
    onnxruntime = _onnxruntime(folder.name)
    if usable_device(device) != device:
        raise unusable(
            folder, f"expected an onnxruntime that runs on {device}, got one that cannot"
        )
    path = folder / file if file else _only_file(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # What one picture took is given back after it: requests are rare, and memory is a laptop's.
    options.enable_cpu_mem_arena = False
    # Fatal ones only: what fails is raised, and a graph's own warnings help nobody.
    options.log_severity_level = 4
    providers = [*_PROVIDERS[device], "CPUExecutionProvider"]
    try:
        opened = onnxruntime.InferenceSession(
            with_open_sizes(path) if any_size else str(path),
            options,
            providers=providers,
            enable_fallback=0,
        )
        inputs, outputs = map(_described, (opened.get_inputs(), opened.get_outputs()))
        notes = dict(opened.get_modelmeta().custom_metadata_map)
    except Exception as error:  # noqa: BLE001 - a damaged file fails in any way, its names' decoding included
        if short_of_memory(error):
            raise MemoryError from None
        # Its text may hold a path.
        raise unusable(
            folder, f"expected an ONNX file that onnxruntime loads, got {type(error).__name__}"
        ) from None
    return Session(inputs, outputs, device, notes, opened)


def _only_file(folder: Path) -> Path:
    files = sorted(folder.glob("*.onnx"))
    if len(files) != 1:
        raise unusable(folder, f"expected one ONNX file, got {len(files)}")
    return files[0]


def _onnxruntime(weights: str) -> Any:
    # Read when it is first imported: it would keep an id of this machine and events in the user's
    # folder, and send them to its makers.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise PawfectError(
            ErrorKind.UNAVAILABLE,
            f"weights {weights}: serving them needs the package onnxruntime: "
            f"pip install 'pawfect[{EXTRA}]'",
        ) from None
    return onnxruntime


def _described(tensors: Any) -> tuple[Tensor, ...]:
    return tuple(Tensor(tensor.name, tensor.type, tuple(tensor.shape)) for tensor in tensors)
