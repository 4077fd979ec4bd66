"""Once a fill is told to stop no further piece of its work begins, at whatever moment that is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.parameters import FillParams
from pawfect.lama.network import Network
from pawfect.lama.serving import lama
from pawfect.patch import core, features, foreign, guide, lines, repeats, tone
from pawfect.patch.serving import patch_fill
from pawfect.picture import raster
from pawfect.settings import LamaSettings
from pawfect.stop import Stop
from tests.pawfect.lama import networks
from tests.pawfect.patch.textures import box_mask, stones
from tests.refusals import refusal

MOMENTS: Final = 20
SIDE: Final = 140
PHOTO = stones(SIDE, SIDE)
MASK = box_mask((SIDE, SIDE), 40, 40, 100, 100)
# Where the work is done: compiled loops, and what is called by its name in other modules.
ROOMS = (core, features, foreign, guide, lines, raster, repeats, tone)
# Pieces that grow with the hole or the network. Each has a look of its own right before it.
LONG: Final = {
    "network",
    *("begin", "scan", "measure", "vote", "carried_up"),
    *("copied", "_equations", "_descended"),
}

Run = Callable[[dict[str, Any], FillParams, Stop], dict[str, Any]]


class Token:
    """Says stop from one look on, or from the begin of one piece of work; hears what begins then.

    Args:
        look: from which it says so; None: not by looks.
        piece: during which it is set; None: not by pieces.
    """

    def __init__(self, look: int | None = None, piece: int | None = None) -> None:
        self._look, self._piece = look, piece
        self.looks, self.pieces = 0, 0
        self.set = False
        self.since: list[str] = []

    def __call__(self) -> bool:
        self.looks += 1
        self.set = self.set or self.looks == self._look
        return self.set

    def begins(self, name: str) -> None:
        if self.set:
            self.since.append(name)
        self.pieces += 1
        self.set = self.set or self.pieces == self._piece


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[Token], None]:
    """Have one token hear of each piece of work that begins."""
    hearing: list[Token] = [Token()]

    def told(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def begin(*args: Any, **named: Any) -> Any:
            hearing[0].begins(name)
            return function(*args, **named)

        return begin

    for room in ROOMS:
        for name, function in list(vars(room).items()):
            own = getattr(function, "__module__", None) == room.__name__
            # What is inlined is only ever called by compiled code.
            inlined = "inline" in getattr(function, "targetoptions", {})
            if own and callable(function) and not isinstance(function, type) and not inlined:
                monkeypatch.setattr(room, name, told(function, name))
    network = told(onnxruntime.InferenceSession.run, "network")
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", network)

    def hear(token: Token) -> None:
        hearing[0] = token

    return hear


@pytest.fixture(
    params=["patch", "lama: random", pytest.param("lama: pair", marks=pytest.mark.slow)]
)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    if request.param == "patch":
        return patch_fill
    folder = getattr(networks, request.param.removeprefix("lama: "))(tmp_path / "made")
    return lama(LamaSettings("cpu", 1, 96, 1000), folder)


INPUTS = {"IMAGE": PHOTO, "MASK": MASK}


def moments(most: int) -> list[int]:
    return [int(at) for at in np.random.default_rng(14).integers(1, most + 1, MOMENTS)]


def test_after_the_look_that_says_stop_no_piece_of_work_begins(engine, watch):
    watch(whole := Token())
    engine(INPUTS, FillParams(), whole)
    assert whole.looks > 100
    assert whole.pieces > 100
    done = set()
    for at in moments(whole.looks):
        watch(token := Token(look=at))
        refusal(ErrorKind.CANCELLED, engine, INPUTS, FillParams(), token)
        assert token.since == []
        done.add(token.pieces)
    assert len(done) > MOMENTS / 2, "the moments lie all over the work"


def test_set_in_the_middle_of_a_piece_no_other_long_one_begins(engine, watch):
    watch(whole := Token())
    engine(INPUTS, FillParams(), whole)
    # What comes after the last long piece only hands over the picture.
    for at in moments(whole.pieces - 20):
        watch(token := Token(piece=at))
        refusal(ErrorKind.CANCELLED, engine, INPUTS, FillParams(), token)
        assert set(token.since) & LONG == set()
        assert len(token.since) < 30, "nor many short ones"


def test_a_running_network_is_ended_in_the_middle(tmp_path):
    network = Network.load(networks.deep(tmp_path / "deep", layers=400), 1)
    picture, hole = np.zeros((256, 256, 3), np.uint8), np.zeros((256, 256), np.bool_)
    hole[99:150, 99:150] = True
    started = time.monotonic()
    drawn = network.draw(picture, hole)
    whole_s = time.monotonic() - started
    # Its second look at the token comes while the network runs.
    started, token = time.monotonic(), Token(look=2)
    refusal(ErrorKind.CANCELLED, network.draw, picture, hole, token)
    assert time.monotonic() - started < whole_s / 3
    np.testing.assert_array_equal(network.draw(picture, hole), drawn)
