"""What an orchestrator reads before its first request, and requests where it is not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.flux.schedule import Schedule
from pawfect.local import inpaint_local
from pawfect.orchestrator.deployment import read_deployment
from pawfect.profile import load_profile
from pawfect.weights.lock import BUILT_HERE, now
from pawfect.weights.reading import read_json
from pawfect.weights.store import ROOT_VARIABLE, Store, locked_folder

MEND = "pawfect weights fetch tiny"
SCHEDULER = Path("tiny-flux-fill") / "scheduler" / "scheduler_config.json"


@pytest.fixture
def photo() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mask = np.zeros((96, 96), np.uint8)
    mask[40:56, 40:56] = 255
    return rng.integers(90, 130, (96, 96, 3), np.uint8), mask


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
    assert tiny_deployment.schedule == Schedule.from_config(config)
    store = Store(tiny_weights)
    assert tiny_deployment.weights == {
        component: store.identity(entry) for component, entry in tiny.weights.items()
    }
    assert tiny_deployment.flux_error is None


def test_a_profile_without_weights_needs_none(nothing):
    deployment = read_deployment(load_profile("embedded"))
    assert (deployment.schedule, dict(deployment.weights), deployment.flux_error) == (
        None,
        {},
        None,
    )


def test_without_weights_there_is_trouble_and_no_error(nothing, tiny):
    deployment = read_deployment(tiny)
    assert (deployment.schedule, dict(deployment.weights)) == (None, {})
    assert deployment.flux_error is not None
    assert MEND in deployment.flux_error.message
    assert str(nothing) not in deployment.flux_error.message


def test_without_weights_patches_fill_and_the_report_says_why(nothing, tiny, photo):
    result = inpaint_local(*photo, profile=tiny)
    (fallback,) = result.report.fallbacks
    assert result.report.engine == "patch"
    assert (fallback.stage, fallback.instead) == ("flux", "patch")
    assert fallback.reason.startswith("PAWFECT_UNAVAILABLE: ")
    assert MEND in fallback.reason
    floor = inpaint_local(*photo, profile=tiny, engine="patch")
    np.testing.assert_array_equal(result.image, floor.image)


def test_without_weights_flux_is_unavailable_where_it_is_insisted_on(nothing, tiny, photo):
    with pytest.raises(PawfectError, match=MEND) as caught:
        inpaint_local(*photo, profile=tiny, engine="flux")
    assert caught.value.kind is ErrorKind.UNAVAILABLE


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"text"', "\ufeff{}", "3"])
def test_a_damaged_scheduler_is_trouble_even_where_its_digest_is_the_locks(copied, tiny, content):
    (copied / SCHEDULER).write_text(content, "utf-8")
    relock(copied)
    deployment = read_deployment(tiny)
    assert deployment.schedule is None
    assert deployment.flux_error is not None
    assert "scheduler" in deployment.flux_error.message
    assert str(copied) not in deployment.flux_error.message


def test_a_scheduler_that_is_not_text_is_trouble(copied, tiny):
    (copied / SCHEDULER).write_bytes(b"\xff\xfe\x00")
    relock(copied)
    assert read_deployment(tiny).schedule is None


def test_another_scheduler_is_trouble(copied, tiny, photo):
    config = json.loads((copied / SCHEDULER).read_text()) | {"_class_name": "DDIMScheduler"}
    (copied / SCHEDULER).write_text(json.dumps(config))
    relock(copied)
    deployment = read_deployment(tiny)
    assert deployment.schedule is None
    assert "got DDIMScheduler" in str(deployment.flux_error)
    assert inpaint_local(*photo, profile=tiny).report.engine == "patch"


def test_a_file_that_changed_is_trouble_that_names_it_and_what_mends_it(copied, tiny):
    with (copied / SCHEDULER).open("a") as file:
        file.write(" ")
    deployment = read_deployment(tiny)
    assert deployment.schedule is None
    assert SCHEDULER.name in str(deployment.flux_error)
    assert MEND in str(deployment.flux_error)


def test_a_damaged_lock_is_trouble(copied, tiny):
    Store(copied).lock.path.write_text("{")
    deployment = read_deployment(tiny)
    assert deployment.schedule is None
    assert deployment.flux_error is not None


def test_the_labels_weights_are_no_trouble_of_flux(copied, tiny, photo):
    shutil.rmtree(copied / "tiny-sam3")
    deployment = read_deployment(tiny)
    assert deployment.schedule is not None
    assert deployment.flux_error is None
    report = inpaint_local(*photo, profile=tiny, steps=1, deadline_ms=600_000).report
    assert report.engine == "flux"
    assert report.fallbacks[0].stage == "sam3_labeling"
    assert MEND in report.fallbacks[0].reason
    assert report.labels_source == "florence2"
