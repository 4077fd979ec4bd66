"""Variants choose what a run leaves open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pawfect_service.variants.watched import WatchedVariants
from tests.service.api.runs.runs import RUNS, delivered, made
from tests.service.stack import running

VARIANTS = """
salt = "one"

[[variants]]
name = "thrice"
kind = "repeat"
share = 100
parameters = { times = 3 }
"""


async def test_variants_choose_what_the_request_leaves_open(store, nowhere, repeat, tmp_path):
    file: Path = tmp_path / "variants.toml"
    file.write_text(VARIANTS)
    async with running(store, nowhere, variants=WatchedVariants(file)) as stack:

        async def version(parameters: str = "{}") -> dict[str, Any]:
            state = (await made(stack, parameters=parameters)).json()
            await delivered(stack, state)
            return (await stack.state(where=f"{RUNS}/{state['runId']}"))["versions"][0]

        one = await version()
        assert (one["variant"], one["parameters"]) == ("thrice", {"times": 3})
        assert one["report"] == {"engine": "repeat", "variant": "thrice"}
        assert (await stack.http.get(one["links"]["repeated"])).content == b"ababab"
        own = await version('{"times": 2}')
        assert (own["variant"], own["parameters"]) == ("own-choice", {"times": 2})
        assert own["report"]["variant"] == "own-choice"
        file.write_text(VARIANTS.replace("100", "0"))
        rest = await version()
        assert (rest["variant"], rest["parameters"]) == ("default", {})
        file.write_text("salt =")
        assert (await version())["variant"] == "default", "what the file said before goes on"
        file.write_text(VARIANTS.replace("100", "100.0"))
        assert (await version())["variant"] == "thrice"
        file.unlink()
        assert (await version())["variant"] == "thrice"
        session = await stack.ordered(repeat)
        assert session
        assert "variant" not in (await stack.documents.get("u", "s"))["request"]
