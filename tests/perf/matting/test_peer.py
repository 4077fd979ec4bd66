"""rembg as a peer: its own code on the same file, or left out and said so."""

from __future__ import annotations

import numpy as np
import pytest

from perf.matting.__main__ import peer_line
from perf.matting.engine import Engine, peer_file
from perf.matting.pictures import picture
from perf.matting.removers import INSTALL_PEER, PEER_EDGES, Variant, peers

PLAIN = Variant("u2netp", "standard", "none")


def test_a_peer_that_is_left_out_is_said_to_be_and_how_to_have_it():
    assert peer_line([PLAIN], peer=True) == (
        f"rembg was left out: it is not installed (`{INSTALL_PEER}`)."
    )
    assert peer_line([PLAIN], peer=False) == "rembg was left out."
    with_peer = peer_line([PLAIN, Variant("rembg", "standard", "none")], peer=True)
    assert "rembg's own code ran in turn" in with_peer


def test_rembg_finds_what_we_find_with_the_same_file(engine: Engine):
    pytest.importorskip("rembg", reason=f"optional: {INSTALL_PEER}")
    file = peer_file()
    assert file is not None
    found = dict(peers(file))
    assert [one.edges for one in found] == list(PEER_EDGES)
    photo = picture("laid_brick").photo
    theirs = found[Variant("rembg", "standard", "none")](photo).alpha
    ours = engine.remover(PLAIN)(photo).alpha
    assert np.abs(theirs.astype(int) - ours).max() <= 1
