"""The page: the files that `make studio` has built, under a strict Content-Security-Policy.

`/` and `/runs/ID` are `index.html`, whose placeholder NONCE becomes a new word each time: styles
that the page makes while it runs carry it. What lies in `assets/` has a hash in its name and never
changes.
"""

from __future__ import annotations

import gzip
import mimetypes
import re
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from pawfect.contract.errors import ErrorKind
from pawfect_service.http.failures import ApiError
from pawfect_service.jobs.paths import is_id

# Where the build puts it; inside the wheel, and not in the source tree.
FOLDER: Final = Path(__file__).parents[2] / "page"
# What stands in the built index.html in place of the word.
NONCE: Final = "__CSP_NONCE__"
_YEAR: Final = "public, max-age=31536000, immutable"
# Types that zip; pictures and fonts are zipped already.
_ZIPPED: Final = re.compile(r"text/.*|(application|image)/(.*\+)?(javascript|json|xml|wasm)")
# Fewer bytes are one packet either way.
_WORTH_IT: Final = 1000
# Files whose zipped form is kept: a build has some ten, of 0.3 MB zipped in all.
_KEPT: Final = 64
_MISSING: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Pawfect</title>
<h1>No page here yet</h1>
<p>This is Pawfect's API; <a href="/docs">/docs</a> describes it. Its page is not built:
<code>make studio</code> builds it, which needs Node.js.</p>
</html>
"""
router: Final = APIRouter(include_in_schema=False)


def policy(nonce: str) -> str:
    """Return the page's Content-Security-Policy: everything from here, nothing inline but `nonce`.

    Pictures that the page makes are `blob:` and `data:`; nobody may frame it.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' blob: data:",
            "font-src 'self'",
            "connect-src 'self' blob: data:",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _headers(nonce: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy(nonce),
        "Cache-Control": "no-cache",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


@router.get("/")
@router.get("/runs")
@router.get("/runs/{run_id}")
def index(request: Request) -> Response:
    """Return the page, or what says that it is not built."""
    nonce = secrets.token_urlsafe(16)
    folder: Path = request.app.state.page
    try:
        text = (folder / "index.html").read_text("utf-8").replace(NONCE, nonce)
    except OSError:
        text = _MISSING
    headers = _headers(nonce)
    data = text.encode()
    if _takes_gzip(request, "text/html", headers):
        # Anew each time: the word is in it.
        data = gzip.compress(data, 6)
        headers["Content-Encoding"] = "gzip"
    return HTMLResponse(data, headers=headers)


@router.get("/assets/{name}")
def asset(name: str, request: Request) -> Response:
    """Return one of the page's files that never change."""
    return _file(request, request.app.state.page / "assets", name, _YEAR)


@router.get("/{name}")
def root_file(name: str, request: Request) -> Response:
    """Return a file beside index.html, such as favicon.svg."""
    return _file(request, request.app.state.page, name, "no-cache")


def _file(request: Request, folder: Path, name: str, cached: str) -> Response:
    """Return a file of a folder's own; ApiError 404 for every other name."""
    path = folder / name
    if not is_id(name) or name == "index.html" or not path.is_file():
        raise ApiError(404, ErrorKind.INVALID_ARG, "path: expected one of this API's")
    headers = {
        "Cache-Control": cached,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if _takes_gzip(request, kind, headers) and (data := _zipped(path, path.stat().st_mtime_ns)):
        headers["Content-Encoding"] = "gzip"
        return Response(data, headers=headers, media_type=kind)
    return Response(path.read_bytes(), headers=headers, media_type=kind)


def _takes_gzip(request: Request, kind: str, headers: dict[str, str]) -> bool:
    """Say whether what zips is to be sent so, and note in the headers that it depends."""
    if not _ZIPPED.fullmatch(kind):
        return False
    headers["Vary"] = "Accept-Encoding"
    for coding in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return not re.fullmatch(r"q=0(\.0*)?", weight.strip())
    return False


@lru_cache(_KEPT)
def _zipped(path: Path, changed: int) -> bytes | None:
    """Return a file's content zipped; None where it is too short for that.

    Args:
        path: of the file.
        changed: when it was, ns: what is built anew is zipped anew.
    """
    data = path.read_bytes()
    return gzip.compress(data, 9, mtime=0) if len(data) >= _WORTH_IT else None
