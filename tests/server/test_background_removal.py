"""`background_removal` on servers of their own: defaults, what is damaged, and what is missing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.matting.output import GREEN
from pawfect.matting.presets import PRESETS
from pawfect.weights.store import weights_root
from pawfect_client import AsyncPawfectClient, PawfectClient
from pawfect_client.results import CutOut
from tests.client.serving import SENT_S
from tests.conftest import READY, ServedProcess
from tests.refusals import refusal
from tests.server.conftest import SMALL, SMALL_HOLE, answers, metric, until
from tests.subject import share_in_common, standing

MODEL = "background_removal"
# Larger than its file here: what the manifest has of it does not fit.
DAMAGED = "isnet-general-use"
MEND = "`pawfect weights fetch {}`"
PHOTO, FIGURE = standing()
# Its edges take seconds: long enough to act meanwhile.
LARGE, _ = standing(1800, 2400)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedProcess]:
    """A server with U2-Net-p, a better network that is damaged, and defaults of its own."""
    folder = tmp_path_factory.mktemp("networks")
    weights = folder / "weights"
    shutil.copytree(weights_root() / "u2netp", weights / "u2netp")
    (weights / DAMAGED).mkdir()
    (weights / DAMAGED / f"{DAMAGED}_1024.onnx").write_bytes(b"cut short")
    defaults = {"PAWFECT_CUTOUT_OUTPUT": "green", "PAWFECT_CUTOUT_EDGES": "none"}
    with ServedProcess(folder, PAWFECT_WEIGHTS=str(weights), **defaults) as running:
        running.wait_for(READY)
        yield running
        running.stop()


@pytest.fixture(scope="module")
def client(server: ServedProcess) -> Iterator[PawfectClient]:
    with PawfectClient(server.endpoints.grpc) as connected:
        yield connected


def cached(server: ServedProcess, kind: str) -> float:
    return metric(server, f"nv_cache_num_{kind}_per_model", model="onnx_networks")


def fallen_back(server: ServedProcess) -> float:
    told = {"model": MODEL, "stage": "onnx_networks", "instead": "u2netp"}
    return metric(server, "pawfect_fallbacks_total", **told)


def is_green(cut: CutOut) -> bool:
    ground = cut.cutout[cut.alpha == 0]
    return len(ground) > 0 and bool((ground == (*GREEN, 255)).all())


def test_without_a_word_of_the_request_the_servers_own_defaults_hold(client):
    cut = client.background_removal(PHOTO)
    report = cut.report
    assert (report.preset, report.edges, report.output) == ("standard", "none", "green")
    assert (report.width, report.height) == (96, 80)
    assert is_green(cut)
    assert share_in_common(cut.alpha, FIGURE) > 0.9


@pytest.mark.parametrize(
    ("given", "edges", "output"),
    [
        ({"preset": "fast"}, "none", "green"),
        # A preset that is asked for is stronger than a server's default for a part of it.
        ({"preset": "standard"}, "guided", "green"),
        ({"preset": "high", "edges": "none"}, "none", "green"),
        ({"preset": "maximum", "output": "rgba"}, "matting", "rgba"),
        ({"edges": "guided", "output": "white"}, "guided", "white"),
        ({"size": 2048, "resize": "dynamic", "output": "#102030"}, "none", "#102030"),
        ({"output": "map"}, "none", "map"),
    ],
)
def test_a_requests_own_word_is_stronger_than_preset_and_server(client, given, edges, output):
    cut = client.background_removal(PHOTO, network="u2netp", **given)
    report = cut.report
    assert (report.preset, report.edges, report.output) == (
        given.get("preset", "standard"), edges, output,
    )  # fmt: skip
    assert (report.size, report.resize, report.seen) == (320, "static", (320, 320))
    ground = {
        "green": (*GREEN, 255), "white": (255,) * 4, "#102030": (16, 32, 48, 255),
        "map": (0, 0, 0, 255),
    }  # fmt: skip
    far = cut.cutout[cut.alpha == 0]
    assert len(far) > 0
    if output == "rgba":
        np.testing.assert_array_equal(cut.cutout[..., 3], cut.alpha)
    else:
        assert (far == ground[output]).all()


def test_a_damaged_network_is_followed_by_the_next_which_is_told_and_counted(server, client):
    before = fallen_back(server)
    report = client.background_removal(PHOTO).report
    assert (report.network, report.size) == ("u2netp", 320)
    (fallback,) = report.fallbacks
    assert (fallback.stage, fallback.instead) == ("onnx_networks", "u2netp")
    assert fallback.kind is ErrorKind.UNAVAILABLE
    assert f"weights {DAMAGED}: {DAMAGED}_1024.onnx: expected" in fallback.reason
    assert MEND.format(DAMAGED) in fallback.reason
    assert list(report.weights) == ["u2netp"]
    until(lambda: fallen_back(server) == before + 1)


def test_a_damaged_network_asked_for_by_name_is_unavailable_and_says_what_mends_it(client):
    ask = client.background_removal
    # The second time the response cache has kept the failure.
    for _ in range(2):
        says = refusal(ErrorKind.UNAVAILABLE, ask, PHOTO, network=DAMAGED, deadline_ms=5000)
        assert f"weights {DAMAGED}: {DAMAGED}_1024.onnx: expected" in says
        assert MEND.format(DAMAGED) in says


def test_a_known_network_that_is_not_here_is_unavailable_and_says_what_mends_it(client):
    says = refusal(ErrorKind.UNAVAILABLE, client.background_removal, PHOTO, network="birefnet")
    assert MEND.format("birefnet") in says


def test_a_photo_that_comes_again_is_not_looked_at_again_whatever_is_asked(server, client):
    photo, _ = standing(160, 128)
    asked = [
        {"preset": preset, "output": output} for preset in PRESETS for output in ("rgba", "map")
    ]
    before, missed = cached(server, "hits"), cached(server, "misses")
    cuts = [client.background_removal(photo, network="u2netp", **given) for given in asked]
    # The server's own watch asks too: with one photo, and once in some seconds past the cache.
    until(lambda: cached(server, "hits") >= before + len(asked) - 1)
    assert 1 <= cached(server, "misses") - missed <= len(asked) // 2
    for given, cut in zip(asked, cuts, strict=True):
        own = PRESETS[given["preset"]]
        assert (cut.report.preset, cut.report.edges) == (given["preset"], own.edges)
        assert cut.report.confidence == cuts[0].report.confidence
        drawn = cut.cutout[..., 3 if given["output"] == "rgba" else 0]
        np.testing.assert_array_equal(drawn, cut.alpha)
    fast, standard, high, _ = cuts[::2]
    assert not np.array_equal(fast.alpha, standard.alpha)
    assert not np.array_equal(standard.alpha, high.alpha)
    hard = client.background_removal(photo, network="u2netp", threshold=0.5)
    assert set(np.unique(hard.alpha)) == {0, 255}


def test_what_a_network_costs_and_the_edges_sharpness_stand_on_the_metrics_page(server, client):
    photo, _ = standing(128, 160)
    report = client.background_removal(photo, network="u2netp").report
    labels = {"model": MODEL, "network": "u2netp", "size": "320", "device": "cpu"}
    assert report.load_ms > 0
    assert report.sharpness > 0
    expected = {
        ("pawfect_network_load_ms", *labels.items()): report.load_ms,
        ("pawfect_network_mib", *labels.items()): report.network_mib,
        ("pawfect_cutout_sharpness", ("model", MODEL)): report.sharpness,
    }
    for (name, *given), value in expected.items():
        until(lambda: metric(server, name, **dict(given)) == pytest.approx(value))  # noqa: B023


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"preset": "best"}, "preset: expected one of fast, standard, high, maximum, got 'best'"),
        ({"network": "nobody"}, "network: expected one of u2netp, isnet-general-use"),
        ({"output": "pink"}, "output: expected one of rgba, map, green, white, blur, background"),
        ({"output": "background"}, "BACKGROUND: expected a picture, as output=background says"),
    ],
)
def test_what_is_not_known_is_invalid_and_named(client, given, says):
    assert says in refusal(ErrorKind.INVALID_ARG, client.background_removal, PHOTO, **given)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 3000), (3000, 64)])
def test_tiny_and_extreme_photos_are_cut_out_too(client, height, width):
    photo, _ = standing(height, width)
    cut = client.background_removal(photo, preset="standard", output="rgba")
    assert cut.alpha.shape == (height, width)
    assert cut.cutout.shape == (height, width, 4)
    assert cut.report.seen == (320, 320)
    np.testing.assert_array_equal(cut.cutout[..., 3], cut.alpha)


@pytest.mark.parametrize("size", [(64, 64), (300, 70), (70, 300)])
def test_a_background_of_another_size_lies_behind_the_subject(client, size):
    ground = np.full((*size, 3), (10, 20, 200), np.uint8)
    cut = client.background_removal(PHOTO, background=ground)
    # The picture that is given is stronger than the server's own output.
    assert cut.report.output == "background"
    far = cut.cutout[cut.alpha == 0]
    assert len(far) > 0
    assert (far == (10, 20, 200, 255)).all()
    assert cut.cutout.shape == (*PHOTO.shape[:2], 4)


@pytest.mark.parametrize("deadline_ms", [1, 300])
def test_a_deadline_ends_it(client, deadline_ms):
    asked = {"edges": "matting", "deadline_ms": deadline_ms}
    refusal(ErrorKind.DEADLINE, client.background_removal, LARGE, **asked)


async def test_cancelling_the_task_ends_it_on_the_server_which_goes_on(server, client):
    before = answers(server, MODEL, "CANCELLED")
    async with AsyncPawfectClient(server.endpoints.grpc) as caller:
        asked = caller.background_removal(LARGE, network="u2netp", edges="matting")
        task = asyncio.create_task(asked)
        await asyncio.sleep(SENT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(until, lambda: answers(server, MODEL, "CANCELLED") == before + 1)
    assert client.background_removal(PHOTO).report.subject_found


@pytest.mark.slow
def test_without_any_network_cutting_out_is_unavailable_and_filling_is_as_ever(tmp_path, embedded):
    with ServedProcess(tmp_path, PAWFECT_WEIGHTS=str(tmp_path / "none")) as bare:
        # From nothing to an answer of every model.
        bare.wait_for(READY, timeout_s=embedded.limits.ready_s)
        with PawfectClient(bare.endpoints.grpc) as client:
            says = refusal(ErrorKind.UNAVAILABLE, client.background_removal, PHOTO)
            assert says.endswith(f"run {MEND.format('u2netp')}")
            filled = client.inpaint(SMALL, SMALL_HOLE)
        report = filled.report
        assert (report.engine, report.protect_source, report.fallbacks) == ("patch", "none", ())
        assert report.protect_reason == "no network that finds a subject is here"
        assert not np.array_equal(filled.image, SMALL)
        np.testing.assert_array_equal(filled.image[0], SMALL[0])
        assert "WITHOUT  background_removal: " in bare.output()
        assert bare.stop() == 0
