"""Signing in with a key: who comes after somebody sees nothing of what they left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from harness.process import PAWFECT, LoggedProcess
from pawfect_service.http.callers import new_api_key
from tests.conftest import ServedProcess, free_ports
from tests.web.axe import assert_accessible
from tests.web.conftest import LISTENS, Visit
from tests.web.hand import Hand

pytestmark = pytest.mark.slow

NAMES = ("ann", "bob")


@pytest.fixture
def locked(server: ServedProcess, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """An API that lets nobody in without a key: its address, and the keys by their users."""
    made = {name: new_api_key(name, name) for name in NAMES}
    every = new_api_key("robot", "*")
    lines = [line for _, line in [*made.values(), every]]
    (tmp_path / "keys").write_text("\n".join(lines) + "\n")
    (port,) = free_ports(1)
    command = [PAWFECT, "api", "--api-keys", "keys", "--with-worker", "--port", str(port)]
    command += ["--triton", server.endpoints.grpc, "--store", "embedded:data"]
    command += ["--jobs", "1", "--rate", "100000/minute"]
    with LoggedProcess(command, tmp_path / "api.log", folder=tmp_path) as process:
        process.wait_for(LISTENS)
        keys = {name: key for name, (key, _) in made.items()} | {"every": every[0]}
        yield f"http://127.0.0.1:{port}", keys


def sign_in(hand: Hand, key: str) -> None:
    hand.page.get_by_label("API key").fill(key)
    hand.button("Sign in").click()


def test_a_key_lets_in_and_what_one_leaves_no_other_sees(visit: Visit, locked, photo):
    address, keys = locked
    hand = visit(address)
    page = hand.page
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert_accessible(page)
    sign_in(hand, "wrong")
    expect(page.get_by_role("alert")).to_have_text("That key is not known here.")
    sign_in(hand, keys["every"])
    expect(page.get_by_role("alert")).not_to_have_text("That key is not known here.")
    sign_in(hand, keys["ann"])
    hand.filled(photo)
    run = page.url
    page.goto(address)
    hand.choose(photo)
    hand.drag([(60, 60), (120, 90)])
    mask = hand.saved_mask()
    # Signed in and with the mask at hand after a reload, by the cookie and the draft.
    page.reload()
    expect(hand.canvas()).to_be_visible()
    assert hand.saved_mask() == mask

    hand.button("Sign out ann").click()
    sign_in(hand, keys["bob"])
    expect(hand.button("Sign out bob")).to_be_visible()
    expect(page.get_by_role("button", name="Choose a photo")).to_be_enabled()
    expect(page.get_by_role("application")).to_have_count(0)
    page.goto(run)
    expect(hand.button("Begin with a new picture")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(0)
