"""The page: the files that `make studio` has built, under a strict Content-Security-Policy.

`/` and `/runs/ID` are `index.html`, whose placeholder NONCE becomes a new word each time: styles
that the page makes while it runs carry it. What lies in `assets/` has a hash in its name and never
changes.
"""

from __future__ import annotations

import mimetypes
import secrets
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
def index(request: Request) -> HTMLResponse:
    """Return the page, or what says that it is not built."""
    nonce = secrets.token_urlsafe(16)
    folder: Path = request.app.state.page
    try:
        text = (folder / "index.html").read_text("utf-8").replace(NONCE, nonce)
    except OSError:
        text = _MISSING
    return HTMLResponse(text, headers=_headers(nonce))


@router.get("/assets/{name}")
def asset(name: str, request: Request) -> Response:
    """Return one of the page's files that never change."""
    return _file(request.app.state.page / "assets", name, _YEAR)


@router.get("/{name}")
def root_file(name: str, request: Request) -> Response:
    """Return a file beside index.html, such as favicon.svg."""
    return _file(request.app.state.page, name, "no-cache")


def _file(folder: Path, name: str, cached: str) -> Response:
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
    return Response(path.read_bytes(), headers=headers, media_type=kind)
