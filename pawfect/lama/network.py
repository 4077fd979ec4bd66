"""One inpainting network, whichever contract its file follows: picture and hole in, picture out.

The files and how each is called, as their publishers and users describe them: `masked`, the card of
g-ronimo/lama; `pair`, Carve/LaMa-ONNX and opencv/inpainting_lama (512 px, output 0-255);
`pipeline`, `scripts/create_onnx_pipeline.py` of Picsart-AI-Research/MI-GAN.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError
from pawfect.lama.contract import EXPECTED, MASKED, PIPELINE, Contract, contract_of
from pawfect.onnx.session import Session, open_session
from pawfect.stop import Stop, never
from pawfect.weights.reading import unusable

MULTIPLE: Final = 32
"""px: sides that a network of any size takes; its deepest layers work at an eighth, and by FFT."""
_LEVELS: Final = MappingProxyType({MASKED: 1.0, PIPELINE: 255.0})
_PROBE_PX: Final = 64
# Between the two ranges of an output over a grey picture, whose known part is 0.5 or 128.
_LARGEST_OF_ONE: Final = 2.0


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded network.

    Attributes:
        name: its weights' entry.
        contract: how it is called.
        levels: its output's white: 1 of `masked`, 255 of `pipeline`, and of `pair`, of which there
            are both, measured on a grey picture.
    """

    name: str
    contract: Contract
    levels: float
    _session: Session

    @classmethod
    def load(cls, folder: Path, threads: int) -> Network:
        """Load the network of a folder.

        Args:
            folder: of verified weights, with one ONNX file.
            threads: that one call works with.

        Raises:
            PawfectError: UNAVAILABLE for a file that is damaged, or is no inpainting network of a
                known contract.
        """
        session = open_session(folder, threads)
        inputs, outputs = session.inputs, session.outputs
        contract = contract_of(inputs, outputs)
        if contract is None:
            got = ", ".join(f"{t.name} {t.type} {list(t.shape)}" for t in (*inputs, *outputs))
            raise unusable(folder, f"expected {EXPECTED}; got {got}")
        network = cls(folder.name, contract, _LEVELS.get(contract.kind, 255.0), session)
        if contract.kind in _LEVELS:
            return network
        return replace(network, levels=network._measured_levels())

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width, px, to which a picture that it is to take is padded."""
        if self.contract.size is not None:
            return self.contract.size
        return -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE

    def draw(
        self, picture: NDArray[np.uint8], hole: NDArray[np.bool_], stop: Stop = never
    ) -> NDArray[np.uint8]:
        """Draw what may lie in a hole.

        Args:
            picture: UINT8 [H, W, 3] RGB of the size that `sides` says; what lies under the hole is
                not looked at.
            hole: [H, W].
            stop: ends the run.

        Returns:
            UINT8 [H, W, 3] RGB; the picture itself outside the hole.

        Raises:
            PawfectError: UNAVAILABLE where it gives no picture of that size, or numbers that are
                none; CANCELLED, since `stop` said so.
            MemoryError: there is not enough for it.
        """
        drawn = self._run(picture, hole, stop) * (255.0 / self.levels)
        pixels = np.clip(np.rint(drawn), 0, 255).astype(np.uint8)
        return np.where(hole[..., None], pixels, picture)

    def _run(
        self, picture: NDArray[np.uint8], hole: NDArray[np.bool_], stop: Stop = never
    ) -> NDArray[np.float32]:
        planes = np.where(hole[..., None], np.uint8(0), picture).transpose(2, 0, 1)[None]
        mask, contract = hole[None, None], self.contract
        if contract.kind == PIPELINE:
            fed = {contract.picture: planes, str(contract.mask): np.where(mask, 0, 255)}
        elif contract.kind == MASKED:
            fed = {contract.picture: np.concatenate([planes / np.float32(255), mask], 1)}
        else:
            fed = {contract.picture: planes / np.float32(255), str(contract.mask): mask}
        fed = {name: np.ascontiguousarray(a, contract.dtype) for name, a in fed.items()}
        try:
            out = np.asarray(self._session.run(fed, stop), np.float32)
        except (MemoryError, PawfectError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a graph of the user's does not compute
            raise self._useless(f"a picture, got {type(error).__name__}") from None
        if out.shape != (1, 3, *hole.shape):
            raise self._useless(f"a picture {[1, 3, *hole.shape]}, got {list(out.shape)}")
        if not np.isfinite(out).all():
            raise self._useless("finite numbers, got some that are not")
        return np.asarray(out[0].transpose(1, 2, 0))

    def _measured_levels(self) -> float:
        """Measure the output's range by a grey picture, half of white outside a small hole."""
        size = self.sides(_PROBE_PX, _PROBE_PX)
        hole = np.zeros(size, np.bool_)
        hole[28:36, 28:36] = True
        drawn = self._run(np.full((*size, 3), 128, np.uint8), hole)
        return 255.0 if float(np.median(drawn[~hole])) > _LARGEST_OF_ONE else 1.0

    def _useless(self, problem: str) -> PawfectError:
        return unusable(Path(self.name), f"expected {problem}")
