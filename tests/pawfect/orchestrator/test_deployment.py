"""What an orchestrator reads before its first request, and requests where it is not there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.diffusion.schedule import Schedule
from pawfect.local import inpaint_local
from pawfect.orchestrator.deployment import Deployment, barred, read_deployment
from pawfect.profile import load_profile
from pawfect.weights.lock import BUILT_HERE, now
from pawfect.weights.reading import read_json
from pawfect.weights.store import ROOT_VARIABLE, Store, locked_folder
from tests.pawfect.orchestrator.conftest import HOLE, SMALL
from tests.refusals import refusal

MEND = "pawfect weights fetch tiny"
SCHEDULER = Path("tiny-flux-fill") / "scheduler" / "scheduler_config.json"


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "none"))
    return tmp_path


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch, tiny_weights: Path, tmp_path: Path) -> Path:
    root = tmp_path / "weights"
    shutil.copytree(tiny_weights, root)
    monkeypatch.setenv(ROOT_VARIABLE, str(root))
    return root


def relock(root: Path) -> None:
    """Take the files as they are for those that were built."""
    locked = locked_folder(root / "tiny-flux-fill", BUILT_HERE, now())
    Store(root).lock.put("tiny-flux-fill", locked)


def test_the_schedule_and_the_weights_identities_are_read(tiny_deployment, tiny, tiny_weights):
    config = read_json((tiny_weights / SCHEDULER).parent, SCHEDULER.name)
    flux = tiny_deployment.chains["flux"]
    assert flux.schedule == Schedule.from_config(config)
    store = Store(tiny_weights)
    assert tiny_deployment.weights == {
        component: store.identity(entry) for component, entry in tiny.fill_weights.items()
    }
    assert flux.error is None


def test_a_profile_without_weights_needs_none(nothing):
    deployment = read_deployment(load_profile("embedded"))
    assert (dict(deployment.chains), dict(deployment.weights)) == ({}, {})


def unreadable(tiny, root: Path, *says: str) -> None:
    """There is no schedule, and the reason says this and no path."""
    flux = read_deployment(tiny).chains["flux"]
    assert flux.schedule is None
    assert flux.error is not None
    for text in says:
        assert text in flux.error.message
    assert str(root) not in flux.error.message


def test_without_weights_patches_fill_and_flux_itself_is_unavailable(nothing, tiny):
    unreadable(tiny, nothing, MEND)
    assert dict(read_deployment(tiny).weights) == {}
    result = inpaint_local(SMALL, HOLE, profile=tiny)
    (fallback,) = result.report.fallbacks
    assert result.report.engine == "patch"
    assert (fallback.stage, fallback.instead) == ("flux", "patch")
    assert fallback.reason.startswith("PAWFECT_UNAVAILABLE: ")
    assert MEND in fallback.reason
    floor = inpaint_local(SMALL, HOLE, profile=tiny, engine="patch")
    np.testing.assert_array_equal(result.image, floor.image)
    flux = {"profile": tiny, "engine": "flux"}
    assert MEND in refusal(ErrorKind.UNAVAILABLE, inpaint_local, SMALL, HOLE, **flux)


def test_another_or_a_damaged_scheduler_is_trouble_though_its_digest_is_the_locks(copied, tiny):
    sound = (copied / SCHEDULER).read_text()
    for content in (b"", b"{", b"[]", b"null", b'"text"', b"\xef\xbb\xbf{}", b"3", b"\xff\xfe\x00"):
        (copied / SCHEDULER).write_bytes(content)
        relock(copied)
        unreadable(tiny, copied, "scheduler")
    config = json.loads(sound) | {"_class_name": "DDIMScheduler"}
    (copied / SCHEDULER).write_text(json.dumps(config))
    relock(copied)
    unreadable(tiny, copied, "got DDIMScheduler")
    assert inpaint_local(SMALL, HOLE, profile=tiny).report.engine == "patch"


def test_a_file_that_changed_is_trouble_that_names_it_and_what_mends_it(copied, tiny):
    with (copied / SCHEDULER).open("a") as file:
        file.write(" ")
    unreadable(tiny, copied, SCHEDULER.name, MEND)
    # And so is a damaged lock.
    Store(copied).lock.path.write_text("{")
    unreadable(tiny, copied)


def test_the_labels_weights_are_no_trouble_of_flux(copied, tiny):
    shutil.rmtree(copied / "tiny-sam3")
    flux = read_deployment(tiny).chains["flux"]
    assert flux.schedule is not None
    assert flux.error is None
    report = inpaint_local(SMALL, HOLE, profile=tiny, steps=1, deadline_ms=600_000).report
    assert report.engine == "flux"
    assert report.fallbacks[0].stage == "sam3_labeling"
    assert MEND in report.fallbacks[0].reason
    assert report.labels_source == "florence2"


def sold(engines: tuple[str, ...], **weights: str) -> Deployment:
    """What a profile of the H200 for commercial use leaves of some engines."""
    h200 = load_profile("h200")
    profile = replace(
        h200, engines=engines, weights={**h200.weights, **weights}, allow_noncommercial=False
    )
    return Deployment(profile, barred=barred(profile))


def test_an_engine_that_may_not_be_sold_is_passed_over_and_the_reason_says_so():
    deployment = sold(("flux", "klein", "patch"))
    engine, reason = deployment.engine("auto")
    assert engine == "klein"
    assert "flux is left out" in reason
    assert "FLUX.1 [dev] Non-Commercial" in reason


@pytest.mark.parametrize("asked", ["auto", "flux"])
def test_an_engine_that_may_not_be_sold_never_fills_not_even_where_it_is_the_only_one(asked):
    message = refusal(ErrorKind.UNAVAILABLE, sold(("flux",)).engine, asked)
    assert "FLUX.1 [dev] Non-Commercial" in message


@pytest.mark.parametrize("part", ["klein", "klein_transformer", "klein_text"])
def test_one_part_that_may_not_be_sold_leaves_the_whole_engine_out(part):
    bars = sold(("klein", "patch"), **{part: "flux-fill-dev"}).barred
    assert "FLUX.1 [dev] Non-Commercial" in bars["klein"]
