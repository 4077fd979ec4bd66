"""The drawer's tabs where the server itself edits by words: profile `tiny-klein`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from pawfect.weights.store import ROOT_VARIABLE
from tests.conftest import READY, ServedProcess, bring_networks
from tests.web.axe import assert_accessible
from tests.web.conftest import Studio, chromium, studio_on
from tests.web.hand import Hand
from tests.web.photos import HEIGHT, WIDTH, pixels

pytestmark = pytest.mark.slow

# Its networks are loaded, and its weights are built before.
READY_S = 180.0


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    weights = tmp_path_factory.mktemp("weights")
    bring_networks(weights)
    folder = tmp_path_factory.mktemp("server")
    remote = {"PAWFECT_REMOTE_URL": "", "PAWFECT_REMOTE_KEY": ""}
    with ServedProcess(
        folder, profile="tiny-klein", **{ROOT_VARIABLE: str(weights)}, **remote
    ) as server:
        server.wait_for(READY, timeout_s=READY_S)
        with studio_on(server, tmp_path_factory.mktemp("studio")) as running:
            yield running
        server.stop()


@pytest.fixture(scope="module")
def browser(studio: Studio) -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


def test_a_picture_is_changed_here_without_consent_and_shown_is_where(hand: Hand, photo: Path):
    hand.choose(photo)
    hand.button("Refine image").click()
    hand.tab("General")
    drawer = hand.drawer
    drawer.get_by_label("What to change", exact=True).fill("softer evening light")
    expect(drawer.get_by_role("switch", name="My picture may be sent there")).to_have_count(0)
    hand.button("Change it", drawer).click()
    expect(drawer.get_by_role("log")).to_be_visible()
    hand.close_drawer()
    card = hand.until_done(2)
    expect(card.get_by_text("Changed by FLUX.2 [klein] on this server")).to_be_visible()
    expect(card.get_by_role("img", name="Map of what changed")).to_be_visible()
    assert_accessible(hand.page)
    report = hand.state()["versions"][1]["report"]
    assert (report["engine"], report["remote"]) == ("klein", None)


def test_a_painted_part_alone_changes_as_a_reference_has_it(
    hand: Hand, photo: Path, tmp_path: Path
):
    hand.choose(photo)
    hand.button("Refine image").click()
    hand.tab("Subject repair")
    drawer = hand.drawer
    drawer.get_by_label("What to change about the subject").fill("brown ears")
    drawer.get_by_label("Add a reference picture").set_input_files(photo)
    expect(drawer.get_by_text("Reference: dog.jpg")).to_be_visible()
    drawer.get_by_role("switch", name="Only a part of the picture").check()
    expect(drawer.get_by_text("Paint over what may change, or change all of it.")).to_be_visible()
    hand.drag([(60, 60), (120, 90)], drawer)
    expect(drawer.get_by_text("of the picture may change")).to_be_visible()
    assert_accessible(hand.page)
    hand.button("Repair the subject", drawer).click()
    expect(drawer.get_by_role("log")).to_be_visible()
    hand.close_drawer()
    card = hand.until_done(2)
    expect(card.get_by_role("img", name="Map of what changed")).to_have_count(0)
    before, after = (pixels(hand.file(one["imageUrl"])) for one in hand.state()["versions"])
    far = np.ones((HEIGHT, WIDTH), bool)
    far[30:120, 30:150] = False
    np.testing.assert_array_equal(after[far], before[far])
    assert not np.array_equal(after[65:85, 70:110], before[65:85, 70:110])
