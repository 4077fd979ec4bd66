"""The pictures of docs/architecture.md, held to the models that are called and to a job's moves."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pawfect.cli import main
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import InpaintParams
from pawfect.local import LocalModels
from pawfect.models import MODELS
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import read_deployment
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.request import InpaintRequest
from pawfect.profile import Profile
from pawfect.stop import never
from pawfect_service.jobs.contract import MOVES, Status
from tests.docs.pages import blocks_of
from tests.server.conftest import SMALL, SMALL_HOLE

# The few forms of Mermaid's lines that the pictures have: one of another form is seen here.
MERMAID = {
    "flowchart": re.compile(
        r"flowchart LR|subgraph \w+\[\"[^\"]+\"\]|end"
        r"|(\w+)(?:\[\(?\"[^\"]+\"\)?\])? <?-->\|[^|;]+\| (\w+)(?:\[\(?\"[^\"]+\"\)?\])?"
    ),
    "stateDiagram": re.compile(r"stateDiagram-v2|(\[\*\]|\w+) --> (\[\*\]|\w+)(?:: [^;]+)?"),
}


def arrows(kind: str) -> list[tuple[str, str]]:
    """The arrows of the page's one picture of a kind, every line of which must be of its form."""
    (text,) = (block.text for block in blocks_of("docs/architecture.md")
               if block.text.startswith(kind))  # fmt: skip
    found = []
    for line in text.splitlines():
        match = MERMAID[kind].fullmatch(line.strip())
        assert match, f"{kind}: expected a line of its form, got {line!r}"
        if match[1]:
            found.append((match[1], match[2]))
    return found


def called_in_the_picture() -> set[str]:
    return {end for start, end in arrows("flowchart") if start == "inpaint"}


class Recording:
    """Calls models, and notes which; SAM3 fails where it is told to."""

    def __init__(self, profile: Profile, without: str = "") -> None:
        self.models, self.without = LocalModels(profile), without
        self.called: set[str] = set()

    async def __call__(self, model: str, inputs: Any, parameters: Any) -> Any:
        self.called.add(model)
        if model == self.without:
            raise PawfectError(ErrorKind.MODEL_DOWN, f"{model}: gone")
        return await self.models(model, inputs, parameters)


async def calls_of(profile: Profile, without: str = "", **parameters: Any) -> set[str]:
    """The models that `inpaint` calls for a small photo."""
    call = Recording(profile, without)
    params = InpaintParams.parse({"deadline_ms": 120_000, **parameters})
    request = InpaintRequest(SMALL, SMALL_HOLE, params, None, (), None)
    await inpaint(request, read_deployment(profile), call, Control(params.deadline_ms, never))
    return call.called


async def test_what_the_embedded_profile_calls_is_in_the_picture(embedded):
    called = await calls_of(embedded)
    assert {"mask_cleanup", "onnx_networks", "patch_fill"} <= called <= called_in_the_picture()
    assert called_in_the_picture() <= set(MODELS)


@pytest.mark.slow
async def test_the_picture_has_the_models_that_a_fill_by_flux_calls_and_no_other(
    tiny, in_tiny_weights
):
    called = await calls_of(tiny, engine="flux")
    called |= await calls_of(tiny, without="sam3_labeling", engine="flux")
    called |= await calls_of(tiny, engine="lama")
    assert called == called_in_the_picture()


def test_what_stands_around_the_server_in_the_picture_is_there():
    ends = {name for pair in arrows("flowchart") for name in pair}
    assert ends - set(MODELS) == {"page", "api", "store", "worker", "caller"}
    (text,) = (block.text for block in blocks_of("docs/architecture.md")
               if block.text.startswith("flowchart"))  # fmt: skip
    named = set(re.findall(r"pawfect (\w+)", text))
    assert named == {"api", "worker", "serve"}
    assert all(main.get_command(None, name) for name in named)  # type: ignore[arg-type]


def test_the_life_of_a_job_in_the_picture_has_the_moves_of_the_contract():
    moves = {(start.value, end.value) for start in Status for end in MOVES[start] - {start}}
    ends = {("[*]", "pending")} | {(status.value, "[*]") for status in Status if status.final}
    assert set(arrows("stateDiagram")) == moves | ends
