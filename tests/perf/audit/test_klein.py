"""An audit of klein in this process: its cells through the product's own flow, and the approval."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from pawfect.contract.parameters import InpaintParams
from pawfect.local import LocalModels
from pawfect.orchestrator import Control, InpaintRequest, InpaintResult, inpaint
from pawfect.orchestrator.deployment import read_deployment
from pawfect.picture.mask import clean_mask
from pawfect.profile import Profile, load_profile, parse_profile
from pawfect.scene.prompt import Label
from pawfect.weights.store import ROOT_VARIABLE, Store
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent
from pawfect_triton.overrides import Overrides
from perf.audit.approval import changes_for, chosen_setting, profile_path, rewritten
from perf.audit.cells import cells_of
from perf.audit.choice import choose
from perf.audit.journal import Journal
from perf.audit.matrix import load_matrix
from perf.audit.report import read_run, write_report
from perf.audit.run import Audit
from perf.audit.sessions import Session, load_session
from perf.peak_memory import PeakMemory
from tests.conftest import no_hub
from tests.perf.audit.conftest import note

MATRIX = """
profile = "tiny-klein"
deadline_ms = 100000

[axes]
quantisation = ["tiny-klein"]
steps = [2]
strength = [0.6]
references = [true, false]
prompt = ["labels"]
size = [128]

[[session]]
name = "lawn"
photo = "photo.png"
mask = "mask.png"
truth = "truth.png"
"""


@pytest.fixture(scope="module")
def tiny_klein() -> Profile:
    """Without the models beside klein: labels are given, and nothing is protected."""
    profile = load_profile("tiny-klein")
    return replace(profile, sam3=None, florence2=None, lama=None, protect=None, weights=KLEIN)


KLEIN = {"klein": "tiny-klein", "klein_transformer": "tiny-klein"}


class InProcess:
    """What an audit asks of its server, by the same flow and models in this process."""

    broken = False

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.models = LocalModels(profile)
        self.loaded: list[Overrides] = []

    def load(self, overrides: Overrides) -> bool:
        deployment = read_deployment(overrides.applied(self.profile))
        self.deployment = replace(deployment, verbatim=overrides.verbatim)
        self.loaded.append(overrides)
        return False

    def clean(self, session: Session) -> tuple[np.ndarray, np.ndarray]:
        cleaned = clean_mask(session.mask)
        return cleaned.mask, cleaned.ring

    def labels(self, image: np.ndarray, where: np.ndarray) -> list[Label]:
        return [Label("grass", 0.9, 0.8)]

    def watched(self) -> PeakMemory:
        return PeakMemory(lambda: 0.0, 10.0)

    def fill(
        self, session: Session, prompt: str | None, labels: Sequence[str] = (), **given
    ) -> InpaintResult:
        params = InpaintParams.parse({**given, "protect": "none"})
        request = InpaintRequest(
            session.photo, session.mask, params, prompt=prompt, scene_labels=("grass",)
        )
        control = Control(params.deadline_ms)
        return asyncio.run(inpaint(request, self.deployment, self.models, control))


@pytest.fixture(scope="module")
def audited(tiny_klein, lawn_files, tmp_path_factory) -> tuple[Path, InProcess]:
    root = tmp_path_factory.mktemp("weights")
    store = Store(root)
    fetch(["tiny-klein"], store, no_hub, silent)
    (lawn_files / "klein.toml").write_text(MATRIX)
    matrix = load_matrix(lawn_files / "klein.toml")
    sessions = [load_session(source) for source in matrix.session]
    identities = {"tiny-klein": store.identity("tiny-klein")}
    cells = list(cells_of(matrix, sessions, tiny_klein, identities))
    folder, server = tmp_path_factory.mktemp("audit"), InProcess(tiny_klein)
    with pytest.MonkeyPatch.context() as patched, Journal(folder) as journal:
        patched.setenv(ROOT_VARIABLE, str(root))
        journal.begin({**note(cells), "profile": "tiny-klein"})
        by_name = {session.name: session for session in sessions}
        audit = Audit(folder, matrix.deadline_ms, by_name, server, journal, print)
        audit.prepare(cells[:1], ["labels"])
        for cell in cells:
            audit.run(cell)
    return folder, server


def test_cells_of_klein_are_filled_with_and_without_the_floor_as_a_reference(audited):
    folder, server = audited
    rows = read_run(folder).rows
    assert [(row.status, row.reason) for row in rows] == [("done", "")] * 2
    assert [row.setting.references for row in rows] == [True, False]
    assert [one.references for one in server.loaded[-2:]] == [True, False]
    for row in rows:
        assert (row.report["engine"], row.report["strength"]) == ("klein", 0.6)
        assert row.report["guidance_scale"] is None
        assert row.report["weights"]["klein_transformer"].startswith("tiny-klein@")
        assert row.report["prompt"].startswith("Continue the grass naturally")
        assert {"st_lpips", "seam_off"} <= set(row.scores)
    pictures = [(folder / row.picture).read_bytes() for row in rows]
    assert pictures[0] != pictures[1]


def test_the_report_shows_what_klein_has_and_the_approval_goes_into_its_table(audited):
    folder, _ = audited
    found = read_run(folder)
    text = write_report(folder, found).read_text()
    assert "with references" in text
    assert "without references" in text
    assert 'data-engine="klein"' in text
    assert 'data-guidance="none"' in text
    choice = choose(found.cells, found.records, 100_000)
    setting = chosen_setting(choice, {"references": False})
    assert asdict(setting)["engine"] == "klein"
    before = load_profile("tiny-klein").klein
    changes = changes_for(choice, setting, before)
    after = rewritten("tiny-klein", profile_path("tiny-klein").read_text(), changes)
    approved = parse_profile("tiny-klein", tomllib.loads(after)).klein
    assert approved == replace(before, references=False, strength=0.6, steps=2, sizes=(128,))
