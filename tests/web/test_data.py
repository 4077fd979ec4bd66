"""What is kept of a user: a copy of all of it, and its deletion."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.web.axe import assert_accessible
from tests.web.hand import Hand

pytestmark = pytest.mark.slow


def test_a_user_downloads_all_that_is_kept_and_deletes_it(hand: Hand, photo: Path):
    hand.filled(photo)
    token, address = hand.run_id.partition(".")[0], hand.page.url
    (version,) = hand.state()["versions"]
    result = hand.file(version["imageUrl"])
    hand.button("Your pictures").click()
    hand.button("Your data").click()
    dialog = hand.page.get_by_role("dialog", name="Your data")
    with hand.page.expect_download() as download:
        dialog.get_by_role("link", name="Download my data").click()
    assert download.value.suggested_filename.startswith("pawfect-")
    with zipfile.ZipFile(download.value.path()) as copy:
        assert copy.testzip() is None
        files = f"runs/{token}/versions/0001/files/"
        ours = [copy.read(name) for name in copy.namelist() if name.startswith(files)]
        assert photo.read_bytes() in ours
        assert result in ours
        entries = json.loads(copy.read("manifest.json"))["entries"]
        for entry in entries:
            assert hashlib.sha256(copy.read(entry["path"])).hexdigest() == entry["sha256"]

    # From here on by keys alone.
    hand.button("Delete everything", dialog).press("Enter")
    question = hand.page.get_by_role("dialog", name="Delete everything?")
    expect(question.get_by_label("Type delete to go on")).to_be_focused()
    assert_accessible(hand.page)
    hand.page.keyboard.type("delete")
    hand.page.keyboard.press("Enter")
    done = hand.page.get_by_role("dialog", name="Everything is deleted")
    expect(done.get_by_role("status")).to_contain_text("files")
    expect(hand.button("Close", done)).to_be_focused()
    hand.page.keyboard.press("Enter")
    expect(hand.page.get_by_role("dialog")).to_have_count(0)
    expect(hand.button("Your pictures")).to_be_focused()
    expect(hand.button("Choose a photo")).to_be_visible()
    expect(hand.page.get_by_role("article")).to_have_count(0)
    hand.button("Your pictures").press("Enter")
    expect(hand.page.get_by_text("Nothing here yet.")).to_be_visible()
    # Nor is it there for who still has its address.
    hand.page.goto(address)
    expect(hand.button("Begin with a new picture")).to_be_visible()
