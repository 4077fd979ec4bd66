"""The OpenAPI page as the API is: what FastAPI says of every app, and is not so here, is mended.

FastAPI tells of 422 for requests that it cannot read; here that is 400, as the table of errors has
it. It gives errors the media type of a route's success, such as that of events; here they are JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI

_JSON: Final = "application/json"
_NOT_OURS: Final = ("HTTPValidationError", "ValidationError")


def tell_as_it_is(app: FastAPI) -> None:
    """Have an app's OpenAPI page say what the app answers."""
    told: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _mend(told())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _mend(page: dict[str, Any]) -> None:
    """Mend a page in place."""
    for operations in page["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            for status, response in responses.items():
                if status >= "400" and "content" in response:
                    response["content"] = {_JSON: next(iter(response["content"].values()))}
    for name in _NOT_OURS:
        page.get("components", {}).get("schemas", {}).pop(name, None)


def links(**parameters: str) -> dict[str, Any]:
    """Return what a page says of where the way goes on: to the routes of what a POST has made.

    Args:
        parameters: of those routes, by name: where in the answer's body each stands.
    """
    places = {name: f"$response.body#/{field}" for name, field in parameters.items()}
    path = "run_id" if "run_id" in parameters else "sid"
    return {
        name: {"operationId": operation, "parameters": places}
        for name, operation in _FOLLOWING[path].items()
    }


# Of a run and of a session: what may be done with it, by FastAPI's names of the routes.
_FOLLOWING: Final = {
    "run_id": {
        "look": "get_run_api_v1_runs__run_id__get",
        "manifest": "run_manifest_api_v1_runs__run_id__run_json_get",
        "cancel": "cancel_run_api_v1_runs__run_id__delete",
    },
    "sid": {
        "look": "session_state_v1_users__uid__sessions__sid__get",
        "cancel": "cancel_job_v1_users__uid__sessions__sid__delete",
    },
}
