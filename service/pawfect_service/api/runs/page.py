"""What a new run may bring, for the OpenAPI page: each kind's files and parameters."""

from __future__ import annotations

from typing import Any, Final

from pawfect.contract.cutout import CutoutParams
from pawfect.contract.parameters import InpaintParams
from pawfect_service.api.uploads import body_schema
from pawfect_service.jobs.fields import RATINGS
from pawfect_service.jobs.kinds import CUTOUT, INPAINT

_UPLOADS: Final = "users/u-4711/uploads"
# Each kind, the class of its parameters, and an example in JSON.
_KINDS: Final = (
    (
        CUTOUT,
        CutoutParams,
        {"photo": f"{_UPLOADS}/dog.jpg", "parameters": {"preset": "high", "output": "rgba"}},
    ),
    (
        INPAINT,
        InpaintParams,
        {
            "photo": f"{_UPLOADS}/dog.jpg",
            "mask": f"{_UPLOADS}/leash.png",
            "parameters": {"seed": 7},
        },
    ),
)


def run_body() -> dict[str, Any]:
    """Return the body of a new run: one of the kinds' own."""
    content: dict[str, Any] = {}
    for kind, parameters, example in _KINDS:
        help_ = (parameters.__doc__ or "").partition("Attributes:")[2]
        body = body_schema(kind, help_, example)["requestBody"]["content"]
        for media, described in body.items():
            one = content.setdefault(media, {"schema": {"oneOf": []}, "examples": {}})
            one["schema"]["oneOf"].append({"title": kind.name, **described["schema"]})
            one["examples"][kind.name] = {"value": described["example"]}
    return {"requestBody": {"required": True, "content": content}}


def feedback_body() -> dict[str, Any]:
    """Return the body of a feedback."""
    least, most = RATINGS
    properties = {
        "rating": {"type": "integer", "minimum": least, "maximum": most},
        "comment": {"type": "string", "maxLength": 2048},
        "version": {"type": "integer", "minimum": 1, "description": "The newest where not given."},
    }
    schema = {
        "type": "object",
        "required": ["rating"],
        "additionalProperties": False,
        "properties": properties,
    }
    example = {"rating": 5, "comment": "every whisker"}
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}
