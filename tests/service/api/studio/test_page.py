"""The page's files: what is served, under which policy, and what the API says without them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.service.stack import Stack, running

INDEX = '<!doctype html><meta property="csp-nonce" nonce="__CSP_NONCE__">'


@pytest.fixture
def built(tmp_path: Path) -> Path:
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text(INDEX)
    (page / "favicon.svg").write_text("<svg/>")
    (page / "assets" / "index-1a2b.js").write_text("let a")
    (tmp_path / "secret.txt").write_text("secret")
    return page


async def test_each_of_the_pages_addresses_is_the_page(store, nowhere, built):
    async with running(store, nowhere, page=built) as stack:
        nonces = set()
        for path in ("/", "/runs", "/runs/8c0d.u-4711"):
            answer = await stack.http.get(path)
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            (nonce,) = re.findall(r'nonce="([\w-]{20,})"', answer.text)
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self' 'nonce-")
            assert policy.count(f"'nonce-{nonce}'") == 2
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            nonces.add(nonce)
        assert len(nonces) == 3, "new each time"


async def test_assets_are_kept_for_ever_and_nothing_else_is_served(store, nowhere, built):
    async with running(store, nowhere, page=built) as stack:
        asset = await stack.http.get("/assets/index-1a2b.js")
        assert (asset.text, asset.headers["x-content-type-options"]) == ("let a", "nosniff")
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "javascript" in asset.headers["content-type"]
        icon = await stack.http.get("/favicon.svg")
        assert (icon.headers["content-type"], icon.text) == ("image/svg+xml", "<svg/>")
        for path in (
            "/index.html",
            "/other",
            "/assets/other.js",
            "/..%2Fsecret.txt",
            "/assets/..%2F..%2Fsecret.txt",
            "/assets/%2E%2E/index.html",
            "/assets",
        ):
            answer = await stack.http.get(path)
            assert answer.status_code == 404, path
            assert answer.json()["error"]["message"] == "path: expected one of this API's"
        assert (await stack.http.get("/healthz")).json() == {"alive": True}


async def test_what_zips_is_sent_so_to_whoever_takes_it(store, nowhere, built):
    script = "let cat = 'tabby';\n" * 500
    (built / "assets" / "main-3c4d.js").write_text(script)
    (built / "assets" / "tabby-5e6f.png").write_bytes(b"\x89PNG" + bytes(5000))
    async with running(store, nowhere, page=built) as stack:
        for takes, zipped in (("gzip, br", True), ("identity", False), ("gzip;q=0", False)):
            answer = await stack.http.get(
                "/assets/main-3c4d.js", headers={"accept-encoding": takes}
            )
            assert answer.text == script
            assert (answer.headers.get("content-encoding") == "gzip") is zipped
            assert (int(answer.headers["content-length"]) < 500) is zipped
            assert answer.headers["vary"] == "Accept-Encoding"
            page = await stack.http.get("/", headers={"accept-encoding": takes})
            assert page.text.startswith("<!doctype html>")
            assert (page.headers.get("content-encoding") == "gzip") is zipped
        for path in ("/assets/tabby-5e6f.png", "/assets/index-1a2b.js"):
            assert "content-encoding" not in (await stack.http.get(path)).headers
        (built / "assets" / "main-3c4d.js").write_text(script * 2)
        assert (await stack.http.get("/assets/main-3c4d.js")).text == script * 2
        state = await stack.http.get("/api/v1/studio")
        assert "content-encoding" not in state.headers


async def test_without_a_build_the_api_says_what_builds_it(store, nowhere, tmp_path):
    async with running(store, nowhere, page=tmp_path / "none") as stack:
        for path in ("/", "/runs/x"):
            answer = await stack.http.get(path)
            assert answer.status_code == 200
            assert "make studio" in answer.text
            assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_what_a_server_that_is_away_can_do_is_nothing_with_the_reason(alone: Stack):
    state = (await alone.http.get("/api/v1/studio")).json()
    assert set(state["can"]) == {
        "cutout", "findMasks", "text", "region", "subject", "general", "search", "swap",
    }  # fmt: skip
    assert state["can"]["search"]["remoteJudges"] is False
    for ability in state["can"].values():
        assert ability["available"] is False
        assert ability["why"]
    assert state["can"]["region"]["ignoresPrompt"] is False
    assert state["limits"] == {
        "maxBytes": 128 * 2**20,
        "minSide": 64,
        "maxSide": 16384,
        "maxPixels": 110_000_000,
    }
    assert state["profile"] is None
