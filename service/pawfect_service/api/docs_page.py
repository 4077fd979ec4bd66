"""The page that describes the API, /docs: Swagger UI of one release, held by its digests.

It is of the API's own origin and its scripts come from elsewhere: a script that was changed there
could use the sign-in of whoever looks. A browser runs the bytes that these digests are of and no
others.
"""

from __future__ import annotations

import html
import secrets
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

_PLACE: Final = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5.35.0/"
# Of the npm package's files; Subresource Integrity, w3.org/TR/SRI.
_SCRIPT: Final = "sha384-gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9"
_STYLE: Final = "sha384-WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I"
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{place}swagger-ui.css" integrity="{style}" crossorigin="anonymous">
<div id="swagger-ui"></div>
<script src="{place}swagger-ui-bundle.js" integrity="{script}" crossorigin="anonymous"></script>
<script nonce="{nonce}">
SwaggerUIBundle({{ url: "{openapi}", dom_id: "#swagger-ui", deepLinking: true }});
</script>
</html>
"""
router: Final = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """Return the page that describes this API."""
    nonce = secrets.token_urlsafe(16)
    text = _PAGE.format(
        title=html.escape(request.app.title),
        openapi=request.app.openapi_url,
        place=_PLACE,
        script=_SCRIPT,
        style=_STYLE,
        nonce=nonce,
    )
    policy = (
        "default-src 'none'",
        f"script-src {_PLACE} 'nonce-{nonce}'",
        # What it draws carries its own styles.
        f"style-src {_PLACE} 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    headers = {"Content-Security-Policy": "; ".join(policy), "Referrer-Policy": "no-referrer"}
    return HTMLResponse(text, headers=headers)
