"""What the pages say, held to what is there: links, profiles, weights, errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pawfect.contract.errors import TABLE
from pawfect.contract.metrics import METRICS
from pawfect.profile import load_profile, profile_names
from pawfect.weights.manifest import BUILT, Entry, manifest
from tests.docs.pages import ROOT, pages, read

CARDS = [name for name in profile_names() if not name.startswith("tiny") and name != "embedded"]
# Weights that the set-up brings, and those that no profile fetches unasked.
SET_UP = {"u2netp", "pp-ocrv6-small", "centerface"}
ASKED = {"inswapper_128", "buffalo_l"}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    heads = re.findall(r"^#+ (.+)$", text, re.M)
    plain = (re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", head).lower() for head in heads)
    return {re.sub(r"[^\w\- ]", "", head).strip().replace(" ", "-") for head in plain}


def test_every_link_of_the_pages_leads_somewhere():
    links = 0
    for page in pages():
        text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith("https://"):
                continue
            links += 1
            name, _, anchor = target.partition("#")
            there = (page.parent / name).resolve() if name else page
            assert there.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(there), f"{page.name}: {target}"
    assert links > 300


def test_every_page_is_reached_from_the_readme():
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text("utf-8"))
        ahead += [(page.parent / target).resolve() for target in targets if "://" not in target]
    assert set(pages()) - seen == set()


def test_the_readmes_list_of_docs_has_every_page():
    listed = read("README.md")
    names = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert [name for name in names if f"](docs/{name})" not in listed] == []


def test_metrics_that_the_pages_name_are_told():
    told = set(METRICS)
    for path in pages():
        text = path.read_text("utf-8")
        for name in re.findall(r"\bpawfect_[a-z_]+\b", text):
            known = re.sub(r"_(bucket|sum|count)$", "", name) in told
            package = (ROOT / name).is_dir() or any((ROOT / part / name).is_dir() for part in (
                "client", "service", "export"))  # fmt: skip
            assert known or package, f"{path.name}: {name}"


def rows(page: str, after: str) -> dict[str, list[str]]:
    """The rows of the first table behind a heading, by the names in the first cell."""
    text = read(page)
    table = text[text.index(after) :].partition("\n|")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {name: row[1:] for row in cells for name in re.findall(r"`([^`]+)`", row[0])}


def test_the_page_of_tuning_has_every_profile_as_it_is():
    table = rows("docs/tune.md", "## Profiles")
    assert set(table) == set(profile_names())
    for name in ["embedded", *CARDS]:
        profile = load_profile(name)
        _, engines, gib, _ = table[name]
        assert engines == ", ".join(profile.engines), name
        assert float(gib) == profile.limits.card_gib, name
    assert f"serves all {len(load_profile('tiny').models)} models" in read("docs/tune.md")


def sources(name: str, entries: dict[str, Entry]) -> set[str]:
    """What an entry is fetched as: itself, or what it is made of."""
    entry = entries[name]
    if entry.kind != BUILT:
        return {name}
    return {one for part in entry.sources for one in sources(part, entries)}


def gigabytes(name: str) -> float:
    entry = manifest()[name]
    size = entry.about_gb if entry.size is None else entry.size / 1e9
    assert size is not None, name
    return size


def test_the_page_of_weights_says_what_each_profile_takes_and_how_much_it_fetches():
    entries = dict(manifest())
    table = rows("docs/weights.md", "## Which profile needs which")
    common = set(re.findall(r"`([^`]+)`", " ".join(table["t4"][3:])))
    for name in ["embedded", *CARDS]:
        profile = load_profile(name)
        wanted = {*profile.weights.values(), *SET_UP} - ASKED
        said = set(re.findall(r"`([^`]+)`", " ".join(table[name][1:])))
        fetched = {one for part in wanted for one in sources(part, entries)}
        built = {part for part in wanted if entries[part].kind == BUILT}
        listed = said if name == "embedded" else said | common
        assert listed | SET_UP == fetched | built, name
        total = sum(map(gigabytes, fetched))
        assert float(table[name][0]) == pytest.approx(total, rel=0.02, abs=0.05), (name, total)


def test_the_page_of_weights_has_licence_and_size_of_the_networks():
    text = read("docs/weights.md").partition("## Networks for background removal")[2]
    for name in ("u2netp", "isnet-general-use", "birefnet", "birefnet-lite", "isnet", "isnet-small",
                 "rmbg", "buffalo_l", "centerface", "dlib-face-embedding"):  # fmt: skip
        entry = manifest()[name]
        (row,) = (line for line in text.splitlines() if line.startswith("| `") and
                  f"`{name}`" in re.split(r" \(|, which", line.split("|")[1])[0])  # fmt: skip
        _, _, _, licence, sizes, _ = row.split("|")
        assert entry.licence in licence, name
        assert ("asked" in licence) is entry.asked, name
        said = [float(size) for size in re.findall(r"\d+(?:\.\d+)?", sizes)]
        assert any(size == pytest.approx(gigabytes(name) * 1000, rel=0.02) for size in said), name


def test_the_page_of_troubleshooting_has_every_error_with_its_meaning():
    table = rows("docs/troubleshooting.md", "## By the error")
    assert {name: row[0] for name, row in table.items()} == {
        kind.value: row.meaning for kind, row in TABLE.items()
    }
    assert all(row[1] for row in table.values())
