"""Steps of different requests in one batch, the text encoder's cache, cancelling."""

from __future__ import annotations

import secrets
import time

import numpy as np
import pytest

from pawfect_client import PawfectClient
from tests.server.conftest import Stream, answers, metric, until
from tests.server.neural.conftest import GRASS, PLAIN, WHOLE, NeuralClient, difference, photo

# Steps of one round of the watch's probes, each minute: `flux_transformer`'s own, no other (counted
# on an idle server).
PROBED = 1


def counts(client: NeuralClient, model: str = "flux_transformer") -> tuple[int, int]:
    """Return how many steps and how many batches of them have run."""
    counted = client.statistics(model)
    return counted.inference_count, counted.execution_count


@pytest.mark.slow
def test_steps_of_concurrent_streams_share_batches(client, neural_server):
    # So many that the first and last ones, when not all four are on their way, matter little.
    # Nor looked for what to protect, one photo after the other, before the first step.
    given = PLAIN | {"steps": 40, "preview_every": 0, "protect": "none"}
    photos = [photo(seed) for seed in range(4)]
    before = counts(client)
    streams = [
        Stream(neural_server.endpoints.grpc, image, WHOLE, SCENE_LABELS=GRASS, seed=seed, **given)
        for seed, image in enumerate(photos)
    ]
    for stream in streams:
        assert stream.ended.wait(120)
        stream.close()
        assert not stream.errors
    inferences, executions = np.subtract(counts(client), before)
    assert inferences >= 4 * 40
    assert inferences / executions > 3
    for seed, (image, stream) in enumerate(zip(photos, streams, strict=True)):
        alone = client(image, WHOLE, SCENE_LABELS=GRASS, seed=seed, **given).as_numpy("IMAGE")
        (together,) = stream.outputs("IMAGE")
        assert difference(together, alone) <= 1


def test_a_stream_tells_of_every_step_and_shows_some(neural_server):
    given = PLAIN | {"steps": 6, "preview_every": 3}
    url, image = neural_server.endpoints.grpc, photo(1)
    stream = Stream(url, image, WHOLE, SCENE_LABELS=GRASS, **given)
    assert stream.ended.wait(60)
    stream.close()
    assert not stream.errors
    stages = [tensor[0].decode() for tensor in stream.outputs("STAGE")]
    assert stages[0] == "mask_cleanup"
    assert stages[-1] == "done"
    assert stages.count("flux_transformer") == 6
    shares = [float(tensor[0]) for tensor in stream.outputs("PROGRESS")]
    assert shares == sorted(shares)
    shown = [
        message.as_numpy("PREVIEW")
        for message in stream.messages
        if message.as_numpy("STAGE")[0] == b"flux_transformer"
    ]
    assert [preview is not None for preview in shown] == [False, False, True] * 2
    outside = WHOLE == 0
    for preview in (shown[2], shown[5]):
        np.testing.assert_array_equal(preview[outside], image[outside])


@pytest.mark.parametrize("prompt", [b"grass in a cache test", b""])
def test_a_repeated_prompt_costs_no_run_of_the_encoder(client, neural_server, prompt):
    asked = {"PROMPT": np.array([prompt], np.object_)}

    def hits() -> float:
        return metric(neural_server, "nv_cache_num_hits_per_model", model="flux_text_encoder")

    first = client.ask("flux_text_encoder", asked)
    before = hits()
    # Triton counts a run after it has sent its answer: one more request, and the run is counted.
    client.ask("flux_text_encoder", asked)
    until(lambda: hits() == before + 1)
    runs = counts(client, "flux_text_encoder")[1]
    again = client.ask("flux_text_encoder", asked)
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array)
    assert counts(client, "flux_text_encoder")[1] == runs
    until(lambda: hits() == before + 2)


def test_two_requests_of_one_label_encode_its_text_once(client):
    given = PLAIN | {"steps": 1}
    client(photo(0), WHOLE, SCENE_LABELS=GRASS, **given)
    runs = counts(client, "flux_text_encoder")[1]
    client(photo(1), WHOLE, SCENE_LABELS=GRASS, **given)
    assert counts(client, "flux_text_encoder")[1] == runs


def test_cancelling_a_stream_stops_within_one_step(client, neural_server):
    def cancelled() -> int:
        return answers(neural_server, "inpaint_stream", "CANCELLED")

    before, (began, _) = cancelled(), counts(client)
    stream = Stream(
        neural_server.endpoints.grpc,
        photo(2),
        WHOLE,
        SCENE_LABELS=GRASS,
        **(PLAIN | {"steps": 100}),
    )
    until(lambda: len(steps_told(stream)) >= 5)
    stream.close(cancel=True)
    told = len(steps_told(stream))
    assert until(lambda: cancelled() == before + 1, 20) < 10
    # A step is counted when it has ended.
    time.sleep(1)
    ran = counts(client)[0] - began
    # One step that ran, one whose message the cancellation overtook, one probe of the supervisor.
    assert told <= ran <= told + 3
    assert told < 50


def steps_told(stream: Stream) -> list:
    stages = [message.as_numpy("STAGE") for message in list(stream.messages)]
    return [stage for stage in stages if stage is not None and stage[0] == b"flux_transformer"]


def test_eight_candidates_at_once_share_the_transformers_executions(client, neural_server):
    """Against the same eight one after the other."""
    given = {
        "engine": "flux", "protect": "none", "dilate_px": 0, "steps": 8, "k_global": 9,
        "k_local": 0, "deadline_ms": 300_000, "seed": 4,
    }  # fmt: skip

    def searched(at_once: int) -> tuple[int, np.ndarray]:
        before = counts(client)
        with PawfectClient(neural_server.endpoints.grpc) as connected:
            found = connected.search(photo(2), WHOLE, at_once=at_once, **given)
        assert all(one.error is None for one in found.report.candidates)
        steps, executions = np.subtract(counts(client), before)
        # The server's own probes are steps too.
        assert 8 * 8 <= steps < 10 * 8
        return int(executions), found.image

    apart, alone = searched(1)
    together, image = searched(8)
    assert apart >= 8 * 8
    assert together <= 0.45 * apart
    assert difference(image, alone) <= 1


def test_a_cancelled_search_ends_within_a_step(client, neural_server):
    before = answers(neural_server, "candidate_search", "CANCELLED")
    given = PLAIN | {"steps": 100, "k_global": 5, "k_local": 0, "protect": "none"}
    for name in ("feather_px", "match_colour"):
        del given[name]
    stream = Stream(
        neural_server.endpoints.grpc, photo(3), WHOLE, model="candidate_search", **given
    )
    until(lambda: any(m.as_numpy("CANDIDATE") is not None for m in stream.messages))
    start = counts(client)[0]
    until(lambda: counts(client)[0] > start + 8)
    stream.close(cancel=True)
    until(lambda: answers(neural_server, "candidate_search", "CANCELLED") == before + 1)
    ended = counts(client)[0]
    # What four candidates had on its way, and the watch's probes, should they come now. The four
    # would take some twenty steps in a second, and have hundreds to go.
    time.sleep(1.0)
    assert counts(client)[0] - ended <= 4 + PROBED


def test_each_denoising_step_is_a_span_of_the_requests_trace_and_each_batch_is_counted(
    neural_server, collector
):
    trace, caller = secrets.token_hex(16), secrets.token_hex(8)
    header = ("traceparent", f"00-{trace}-{caller}-01")
    batches = "pawfect_batches_total"
    before = metric(neural_server, batches, model="flux_transformer", size="1")
    given = PLAIN | {"steps": 3, "protect": "none"}
    with PawfectClient(neural_server.endpoints.grpc, headers=lambda: (header,)) as client:
        report = client.inpaint(photo(1), WHOLE, scene_labels=["grass"], **given).report
    assert report.steps_taken == 3

    def steps() -> list[str]:
        found = collector.of(trace, {"inpaint", "flux_transformer"})
        by_id = {each.id: each.name for each in found}
        return [by_id[each.parent] for each in found if each.name == "flux_transformer"]

    until(lambda: len(steps()) == 3)
    assert set(steps()) == {"call flux_transformer"}
    counted = metric(neural_server, batches, model="flux_transformer", size="1")
    assert counted >= before + 3
