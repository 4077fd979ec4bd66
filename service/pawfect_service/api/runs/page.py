"""What a new run may bring, for the OpenAPI page: each kind's files and parameters."""

from __future__ import annotations

import json
from typing import Any, Final

from pawfect.contract.cutout import CutoutParams
from pawfect.contract.parameters import InpaintParams, NoParams
from pawfect.contract.refine import MAX_REGIONS, TYPES, RefineParams
from pawfect.contract.search import SearchParams
from pawfect_service.api.runs.refining import MASKS, REQUEST, RefineRequest
from pawfect_service.api.uploads import FORM, body_schema
from pawfect_service.jobs.fields import RATINGS
from pawfect_service.jobs.kinds import CUTOUT, IMPORT, RUN_INPAINT, SEARCH, SWAP, called_in_runs
from pawfect_service.jobs.kinds.refine import REFERENCE

_REFINEMENTS: Final[dict[str, dict[str, Any]]] = {
    "text": {
        "type": "text",
        "payload": {"corrections": [{"bbox": [410, 620, 180, 60], "text": "BISCUIT"}]},
        "creativity": 1,
    },
    "region": {
        "type": "region",
        "payload": {
            "masks": [{"bbox": [120, 80, 200, 160], "prompt": "grass"}, {"mask": 0}],
        },
        "base": 2,
        "parameters": {"seed": 7},
    },
    "subject": {
        "type": "subject",
        "payload": {
            "referenceFileId": "8c0d6f0e4b1a4d7e9f3c2a5b6d7e8f90",
            "instructions": "her left ear hangs",
        },
    },
    "general": {"type": "general", "payload": {"prompt": "softer light"}},
}
_UPLOADS: Final = "users/u-4711/uploads"
# Each kind, the class of its parameters, and an example in JSON.
_KINDS: Final = (
    (
        CUTOUT,
        CutoutParams,
        {"photo": f"{_UPLOADS}/dog.jpg", "parameters": {"preset": "high", "output": "rgba"}},
    ),
    (
        RUN_INPAINT,
        InpaintParams,
        {
            "photo": f"{_UPLOADS}/dog.jpg",
            "mask": f"{_UPLOADS}/leash.png",
            "parameters": {"seed": 7},
        },
    ),
    (
        SEARCH,
        SearchParams,
        {
            "photo": f"{_UPLOADS}/dog.jpg",
            "mask": f"{_UPLOADS}/leash.png",
            "parameters": {"preset": "photoreal", "seed": 7},
        },
    ),
    (
        SWAP,
        SearchParams,
        {
            "photo": f"{_UPLOADS}/walk.jpg",
            "reference": f"{_UPLOADS}/anna.jpg",
            "parameters": {"consent": True, "seed": 7},
        },
    ),
    (IMPORT, NoParams, {"photo": f"{_UPLOADS}/dog.jpg", "parameters": {}}),
)


def run_body() -> dict[str, Any]:
    """Return the body of a new run: one of the kinds' own."""
    content: dict[str, Any] = {}
    for kind, parameters, example in _KINDS:
        help_ = (parameters.__doc__ or "").partition("Attributes:")[2]
        body = body_schema(kind, help_, example)["requestBody"]["content"]
        for media, described in body.items():
            one = content.setdefault(media, {"schema": {"oneOf": []}, "examples": {}})
            name = called_in_runs(kind)
            one["schema"]["oneOf"].append({"title": name, **described["schema"]})
            one["examples"][name] = {"value": described["example"]}
    return {"requestBody": {"required": True, "content": content}}


def refine_body() -> dict[str, Any]:
    """Return the body of a refinement."""
    schema = RefineRequest.model_json_schema()
    picture = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "required": [REQUEST],
        "additionalProperties": False,
        "properties": {
            REQUEST: {"type": "string", "description": "The same as JSON."},
            MASKS: {"type": "array", "items": picture, "maxItems": MAX_REGIONS},
            REFERENCE: picture,
        },
    }
    help_ = (RefineParams.__doc__ or "").partition("Attributes:")[2]
    schema["properties"]["parameters"]["description"] = help_
    schema["properties"]["type"]["enum"] = list(TYPES)
    examples = {name: {"value": value} for name, value in _REFINEMENTS.items()}
    region = {REQUEST: json.dumps(_REFINEMENTS["region"])}
    content = {
        "application/json": {"schema": schema, "examples": examples},
        FORM: {"schema": form, "example": region},
    }
    return {"requestBody": {"required": True, "content": content}}


def file_body(name: str) -> dict[str, Any]:
    """Return the body of a form with one file."""
    schema = {
        "type": "object",
        "required": [name],
        "additionalProperties": False,
        "properties": {name: {"type": "string", "format": "binary"}},
    }
    return {"requestBody": {"required": True, "content": {FORM: {"schema": schema}}}}


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
