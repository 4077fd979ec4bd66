"""Every route of the API, and what is asked of each in the place of somebody else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SOCKET: Final = "WEBSOCKET"
# Routes that ask nobody who calls, and why they need not.
OPEN: Final[Mapping[tuple[str, str], str]] = {
    ("GET", "/openapi.json"): "what the API is, the same for everybody",
    ("HEAD", "/openapi.json"): "likewise",
    ("GET", "/docs"): "likewise",
    ("GET", "/"): "the page's files",
    ("GET", "/runs"): "the page's files",
    ("GET", "/runs/{run_id}"): "the page's files; it asks the API by itself",
    ("GET", "/assets/{name}"): "the page's files",
    ("GET", "/{name}"): "the page's files",
    ("GET", "/healthz"): "that the process runs",
    ("GET", "/readyz"): "that the server fills, kept for seconds",
    ("GET", "/api/v1/studio"): "what the server can do, and who asks",
    ("POST", "/api/v1/sign-in"): "takes a key itself",
    ("DELETE", "/api/v1/sign-in"): "takes the caller's own cookie back",
    ("GET", "/v1/audits/{token}/{name:path}"): "its signed link is the key",
}
# Routes on which a body says whose picture it is; each has a test of its own.
BY_BODY: Final = frozenset({("POST", "/api/v1/masks")})
# Path parameters that say whose it is.
OWNED: Final = ("uid", "run_id", "job_id")


@dataclass(frozen=True)
class Route:
    """One method of one path.

    Attributes:
        method: or SOCKET.
        path: with its parameters' names.
        query: names of its query parameters.
    """

    method: str
    path: str
    query: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether it asks nobody who calls."""
        return (self.method, self.path) in OPEN

    @property
    def names_owner(self) -> bool:
        """Whether its path or query says whose it is."""
        in_path = any(f"{{{name}}}" in self.path for name in OWNED)
        return in_path or "user" in self.query

    def url(self, values: Mapping[str, str]) -> str:
        """Return its URL; a parameter of another name is 1, as versions are."""
        path = self.path.replace(":path}", "}").format_map(defaultdict(lambda: "1", values))
        return f"{path}?user={values['uid']}" if "user" in self.query else path


def routes_of(app: FastAPI) -> Iterator[Route]:
    """Yield every method of every route, WebSockets and those outside the OpenAPI page too."""
    for context in iter_route_contexts(app.routes):
        dependant: Any = getattr(context, "dependant", None)
        for method in sorted(context.methods or {SOCKET}):
            yield Route(method, str(context.path), tuple(_queries(dependant)))


def _queries(dependant: Any) -> Iterator[str]:
    if dependant is not None:
        yield from (one.alias for one in dependant.query_params)
        for each in dependant.dependencies:
            yield from _queries(each)
