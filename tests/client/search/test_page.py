"""page.html: every candidate once, every text escaped, nothing from elsewhere."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser

from PIL import Image

from pawfect.contract.scores import Judgement
from pawfect.contract.search_report import Candidate
from pawfect_client.search.page import _card, _scores, _tree
from tests.client.search.conftest import PHOTO
from tests.pawfect.photo.pictures import png

VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Collects pictures, texts and tags; fails where tags do not close each other."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_page_holds_the_tree_with_pictures_and_scores_and_escapes_every_text(desk, flow):
    flow.failing = frozenset({1})
    desk.put("rex.png", png(PHOTO[::-1].copy()))
    name = "<script>alert(1)</script>&\"'"
    run = desk("--reference", str(desk.root / "rex.png"), "--character", name)
    assert run.exit_code == 0, run.output
    text = (desk.task() / "page.html").read_text()
    page, report = Reader(text), desk.metrics()["report"]
    kinds = [tag for tag, _ in page.tags]
    assert not {"script", "link", "iframe", "i", "b", "object"} & set(kinds)
    assert f"Task photo ({name})" in page.texts
    assert "<b>fine</b>" in page.texts
    assert any("failed: <i>no memory</i>" in told for told in page.texts)
    pictures = [it["src"] for tag, it in page.tags if tag == "img"]
    # Photo, character, result, and all candidates but the one that failed.
    assert len(pictures) == 3 + 8 - 1
    for uri in pictures:
        assert uri.startswith("data:image/jpeg;base64,")
        with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
            assert image.format == "JPEG"
            assert max(image.size) <= 320
    for one in report["candidates"]:
        (title,) = [it for it in page.texts if it.startswith(f"{one['number']}: ")]
        assert title.endswith("(best)") == (one["number"] == report["best"])
        if one["error"] is None:
            assert f"{one['judgements'][0]['scores']['realism']:.2f}" in page.texts
            assert any(f"potential {one['potential']:.2f}" in told for told in page.texts)
    assert "default-src 'none'" in text


def test_an_axis_without_a_score_says_none_rather_than_a_number():
    one = Candidate(2, "global", 4, "seed", judgements=(Judgement("<j>", {"realism": 7.0}),))
    page = Reader(_scores(one))
    assert page.texts == ["consistency", "quality", "identity", "<j>", "none", "7.00", "none"]
    assert _scores(Candidate(0, "global", 0, "undiffused")) == ""
    assert _tree([], None, None) == ""


def test_a_candidate_under_the_floor_is_told(desk):
    assert desk("--m-global=0").exit_code == 0

    class Best:
        best = 1

    class Nothing:
        def of(self, candidate):
            return None

    card = _card(Candidate(0, "global", 0, "seed", above_floor=False), Best, Nothing())
    assert Reader(card).texts == ["0: seed, seed 0", "potential none, under the floor"]
