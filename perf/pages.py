"""How HTML pages are made: a template beside the code that fills it, with every text escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def render(template: Path, **given: Any) -> bytes:
    """Return a template's page; jinja2.UndefinedError where it names what was not given.

    Args:
        template: the file; others that it includes lie beside it.
        given: by the names that it uses.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(**given).encode()
