"""The numbers in the files for Cloud Run: they fit each other, the contract and the platform."""

from __future__ import annotations

import math
import re
import tomllib

import pytest

from harness.container.image import CONTEXT
from pawfect.contract.parameters import MAX_DEADLINE_MS
from pawfect_client.wire import TRANSFER_MARGIN_S
from pawfect_service.api.app import ApiSettings
from pawfect_service.api.uploads import BODY_S
from pawfect_service.process.processes import REQUESTS_END_S
from pawfect_service.stores.base import PushTarget
from pawfect_service.stores.google.topics import _ack_deadline_s, longest_hold_s
from perf.diffusion.memory import GIB, processes_of, shapes_of, total_gib
from tests.deploy.cloudrun import CONTAINERS, CONTRACT, L4, PODS, SERVICES, gib, given, scale

# The platform's: docs.cloud.google.com/run/quotas and .../container-contract, .../healthchecks.
MOST_REQUEST_S, MOST_CONCURRENCY, MOST_CPU, MOST_GIB = 3600, 1000, 8, 32
KILLED_AFTER_S = 10
STARTUP_S, STARTUP_GPU_S = 240, 1800
# What an L4's instance must have: .../run/docs/configuring/services/gpu.
GPU_CPU, GPU_GIB, L4_GIB = 4, 16, 24
# At which share of containerConcurrency the platform adds an instance:
# .../run/docs/about-instance-autoscaling.
TARGET = 0.6


def test_a_request_may_take_as_long_as_the_longest_job():
    timeouts = {name: pod["timeoutSeconds"] for name, pod in PODS.items()}
    # A push waits up to a lease for its place, is then held for a fill and a lease on each side.
    assert timeouts["worker"] >= CONTRACT.lease_s + longest_hold_s(CONTRACT)
    push = PushTarget(given("worker")["push_endpoint"])
    assert timeouts["worker"] >= _ack_deadline_s(CONTRACT, push) >= CONTRACT.fill_s
    assert timeouts["server"] >= MAX_DEADLINE_MS / 1000 + TRANSFER_MARGIN_S
    assert timeouts["server"] >= CONTRACT.fill_s
    # A stream of progress goes on until its job is over, or the platform's end of it.
    assert timeouts["api"] >= CONTRACT.over_s
    assert timeouts["api"] >= BODY_S
    assert max(timeouts.values()) <= MOST_REQUEST_S


def test_what_runs_is_given_back_before_the_platform_kills():
    # The rest is for the store's last words.
    assert given("worker")["grace"] <= KILLED_AFTER_S - 3
    assert given("worker")["grace"] < CONTRACT.lease_s
    assert REQUESTS_END_S <= KILLED_AFTER_S


def test_an_instance_takes_as_many_requests_as_it_works_on():
    concurrency = {name: pod["containerConcurrency"] for name, pod in PODS.items()}
    assert concurrency["worker"] == given("worker")["jobs"]
    assert concurrency["server"] <= L4.limits.max_in_flight
    rule = tomllib.loads((CONTEXT / "deploy/scaling.toml").read_text())
    assert math.floor(TARGET * concurrency["server"]) == rule["jobs_per_replica"]
    assert max(concurrency.values()) <= MOST_CONCURRENCY


def test_there_are_as_many_workers_as_servers_fill_for():
    rule = tomllib.loads((CONTEXT / "deploy/scaling.toml").read_text())
    assert scale("server") == (rule["min_replicas"], rule["max_replicas"])
    jobs = scale("worker")[1] * given("worker")["jobs"]
    assert jobs == scale("server")[1] * rule["jobs_per_replica"]
    # Labels are asked for after the answer, sessions are swept: somebody must be there.
    assert all(scale(name)[0] >= 1 for name in SERVICES)


def test_the_card_is_the_profiles_and_its_models_fit_it():
    pod, limits = PODS["server"], CONTAINERS["server"]["resources"]["limits"]
    assert pod["nodeSelector"] == {"run.googleapis.com/accelerator": "nvidia-l4"}
    assert limits["nvidia.com/gpu"] == "1"
    assert {cost.on for cost in L4.cost.values()} <= {"NVIDIA L4", "a server CPU"}
    assert total_gib(processes_of(L4)) <= L4_GIB


def test_the_memory_holds_what_the_models_keep_outside_the_card():
    assert L4.flux is not None
    assert (L4.flux.text_device, L4.flux.text_dtype) == ("cpu", "float32")
    names = ("t5_text_encoder", "clip_text_encoder")
    values = sum(math.prod(shape) for name in names for shape in shapes_of(name).values())
    assert L4.sam3 is not None
    assert L4.sam3.text_device == "cpu"
    values += sum(
        math.prod(shape)
        for name, shape in shapes_of("sam3").items()
        if name.startswith("detector_model.text_encoder.")
    )
    text_gib = 4 * values / GIB
    # Pictures in flight: deploy/README.md's --shm-size.
    (shared,) = re.findall(r"--shm-size=(\d+)g", (CONTEXT / "deploy/README.md").read_text())
    # A Python process with torch takes 1 GiB beside its weights, four of them; Triton, 1 GiB.
    assert text_gib + int(shared) + 5 <= gib(CONTAINERS["server"])
    assert GPU_GIB <= gib(CONTAINERS["server"]) <= MOST_GIB
    cpus = {name: int(one["resources"]["limits"]["cpu"]) for name, one in CONTAINERS.items()}
    assert max(GPU_CPU, L4.flux.text_threads, L4.sam3.text_threads) <= cpus["server"] <= MOST_CPU


@pytest.mark.parametrize("name", ["api", "worker"])
def test_the_memory_holds_the_largest_photos(name):
    # 110 MP as RGB and their mask; the file as it came, and the result beside them.
    decoded = 110e6 * (3 + 3 + 1) + 2 * ApiSettings.max_body_bytes
    at_a_time = given("worker")["jobs"]
    assert at_a_time * decoded / GIB + 0.5 <= gib(CONTAINERS[name])


@pytest.mark.parametrize("name", SERVICES)
def test_a_start_has_the_time_it_needs_and_no_more_than_the_platform_gives(name):
    startup, liveness = (CONTAINERS[name][f"{kind}Probe"] for kind in ("startup", "liveness"))
    patience = startup["periodSeconds"] * startup["failureThreshold"]
    gpu = "nvidia.com/gpu" in CONTAINERS[name]["resources"]["limits"]
    assert patience <= (STARTUP_GPU_S if gpu else STARTUP_S)
    assert startup["periodSeconds"] <= STARTUP_S
    for probe in (startup, liveness):
        assert probe["timeoutSeconds"] <= probe["periodSeconds"]
    if gpu:
        assert patience >= L4.limits.ready_s
