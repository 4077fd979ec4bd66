"""The files for Cloud Run: what they say fits the code, and their numbers fit each other."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from string import Template
from types import SimpleNamespace
from typing import Any

import click
import pytest
import yaml

from harness.container.dockerfile import Instruction, instructions
from harness.container.image import CONTEXT
from pawfect.cli import main
from pawfect.contract.parameters import MAX_DEADLINE_MS
from pawfect.profile import PROFILE_VARIABLE, load_profile
from pawfect.weights.store import ROOT_VARIABLE
from pawfect_client.wire import TRANSFER_MARGIN_S, target_of
from pawfect_service.api.app import ApiSettings
from pawfect_service.api.uploads import BODY_S
from pawfect_service.identity import GoogleIdentity
from pawfect_service.jobs.contract import JobContract
from pawfect_service.process.processes import REQUESTS_END_S
from pawfect_service.stores import _parsed as parsed_store
from pawfect_service.stores.base import PushTarget
from pawfect_service.stores.google.topics import _ack_deadline_s, longest_hold_s
from pawfect_service.worker.push import create_push_app
from perf.flux.memory import GIB, processes_of, shapes_of, total_gib

FOLDER = CONTEXT / "deploy/cloudrun"
CONTRACT = JobContract()
L4 = load_profile("l4")
# The platform's: docs.cloud.google.com/run/quotas and .../container-contract, .../healthchecks.
MOST_REQUEST_S, MOST_CONCURRENCY, MOST_CPU, MOST_GIB = 3600, 1000, 8, 32
KILLED_AFTER_S = 10
STARTUP_S, STARTUP_GPU_S = 240, 1800
# What an L4's instance must have: .../run/docs/configuring/services/gpu.
GPU_CPU, GPU_GIB, L4_GIB = 4, 16, 24
# At which share of containerConcurrency the platform adds an instance:
# .../run/docs/about-instance-autoscaling.
TARGET = 0.6


def placeholders() -> dict[str, str]:
    lines = (FOLDER / "placeholders.env").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return dict(pairs)  # type: ignore[arg-type]


def document(name: str) -> dict[str, Any]:
    text = (FOLDER / name).read_text()
    return yaml.safe_load(Template(text).substitute(placeholders()))


SERVICES = {name: document(f"{name}.yaml") for name in ("api", "worker", "server")}
PODS = {name: service["spec"]["template"]["spec"] for name, service in SERVICES.items()}
CONTAINERS = {name: pod["containers"][0] for name, pod in PODS.items()}
JOB = document("verify-weights.yaml")["spec"]["template"]["spec"]["template"]["spec"]
IMAGES = {
    placeholders()["SERVICE_IMAGE"]: "Dockerfile.service",
    placeholders()["SERVER_IMAGE"]: "Dockerfile.triton",
}


def scale(name: str) -> tuple[int, int]:
    annotations = SERVICES[name]["spec"]["template"]["metadata"]["annotations"]
    keys = ("autoscaling.knative.dev/minScale", "autoscaling.knative.dev/maxScale")
    return tuple(int(annotations[key]) for key in keys)  # type: ignore[return-value]


def words_of(container: dict[str, Any]) -> list[str]:
    """What runs: the image's entrypoint, or the command in its place, and the arguments."""
    text = (CONTEXT / IMAGES[container["image"]]).read_text()
    (entrypoint,) = (step for step in instructions(text) if step.name == "ENTRYPOINT")
    return [*container.get("command", entrypoint.words()), *container["args"]]


def parsed(container: dict[str, Any], **environment: str) -> dict[str, Any]:
    """The options that the real command reads from what runs."""
    program, *words = words_of(container)
    assert program == "pawfect"
    command, context = main, click.Context(main)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command, context = found, click.Context(found)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return command.make_context(command.name, words).params


def given(name: str) -> dict[str, Any]:
    """A service's options, with the variables that the platform and the file set."""
    container = CONTAINERS[name]
    own = {row["name"]: row["value"] for row in container.get("env", [])}
    port = str(container["ports"][0]["containerPort"])
    return parsed(container, PORT=port, **own)


def gib(container: dict[str, Any]) -> float:
    amount, unit = re.fullmatch(
        r"(\d+)(Gi|Mi)", container["resources"]["limits"]["memory"]
    ).groups()  # type: ignore[union-attr]
    return int(amount) / (1 if unit == "Gi" else 1024)


# --- the files ------------------------------------------------------------------------------------


def test_every_placeholder_is_in_the_one_documented_set_and_none_is_left_over():
    texts = [path.read_text() for path in FOLDER.glob("*.yaml")]
    used = {name for text in texts for name in re.findall(r"\$\{(\w+)\}", text)}
    assert used == set(placeholders())
    assert not any(re.search(r"my-project|my-registry|123456789012", text) for text in texts)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_file_is_one_service_of_the_named_region(name):
    service = SERVICES[name]
    assert (service["apiVersion"], service["kind"]) == ("serving.knative.dev/v1", "Service")
    assert service["metadata"]["name"] == f"pawfect-{name}"
    region = service["metadata"]["labels"]["cloud.googleapis.com/location"]
    assert region == placeholders()["REGION"]
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    assert annotations["run.googleapis.com/execution-environment"] == "gen2"
    # Labels, sweeps and the watch work between requests.
    assert annotations["run.googleapis.com/cpu-throttling"] == "false"
    # The platform reads annotations as texts alone.
    assert all(isinstance(value, str) for value in annotations.values())


@pytest.mark.parametrize("name", SERVICES)
def test_what_runs_is_a_command_of_ours_and_takes_every_option(name):
    assert given(name)["host"] == "0.0.0.0"


def test_the_job_verifies_the_servers_profile_on_the_servers_volume():
    (container,) = JOB["containers"]
    assert parsed(container) == {"names": (L4.name,)}
    (ours,), (theirs,) = JOB["volumes"], PODS["server"]["volumes"]
    assert ours["csi"]["volumeAttributes"] == theirs["csi"]["volumeAttributes"]
    users = re.findall(r"^USER (\d+):(\d+)$", (CONTEXT / "Dockerfile.triton").read_text(), re.M)
    options = ours["csi"]["volumeAttributes"]["mountOptions"].split(",")
    assert [f"{kind}={number}" for kind, number in zip(("uid", "gid"), *users, strict=True)] == [
        option for option in options if "=" in option
    ]
    # It writes the lock; the servers write nothing.
    assert not ours["csi"].get("readOnly")
    assert theirs["csi"]["readOnly"] is True


def test_variables_and_mounts_are_what_the_images_read():
    server = CONTAINERS["server"]
    assert {row["name"]: row["value"] for row in server["env"]} == {PROFILE_VARIABLE: "l4"}
    text = (CONTEXT / "Dockerfile.triton").read_text()
    (weights,) = re.findall(rf"{ROOT_VARIABLE}=(\S+)", text)
    for container in (server, JOB["containers"][0]):
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == [weights]
    (keys,) = CONTAINERS["api"]["volumeMounts"]
    (secret,) = PODS["api"]["volumes"]
    (item,) = secret["secret"]["items"]
    assert Path(keys["mountPath"]) / item["path"] == given("api")["api_keys"]


@pytest.mark.parametrize("name", ["api", "worker"])
def test_requests_go_to_the_port_that_the_command_listens_on(name):
    (port,) = CONTAINERS[name]["ports"]
    assert port["name"] == "http1"
    assert given(name)["port"] == port["containerPort"]
    for probe in ("startupProbe", "livenessProbe"):
        assert CONTAINERS[name][probe]["httpGet"] == {
            "path": "/healthz",
            "port": given(name)["port"],
        }


def test_the_server_is_asked_by_grpc_and_told_of_by_its_watch():
    options, (port,) = given("server"), CONTAINERS["server"]["ports"]
    assert (port["name"], port["containerPort"]) == ("h2c", options["grpc_port"])
    assert options["no_http"]
    ports = [options[f"{name}_port"] for name in ("grpc", "metrics", "health")]
    assert len(set(ports)) == 3
    told = {
        name: CONTAINERS["server"][name]["httpGet"] for name in ("startupProbe", "livenessProbe")
    }
    assert told["startupProbe"] == {"path": "/readyz", "port": options["health_port"]}
    assert told["livenessProbe"] == {"path": "/healthz", "port": options["health_port"]}


@pytest.mark.parametrize("name", ["api", "worker"])
def test_the_server_is_called_by_its_own_name_over_tls_with_a_token_for_it(name):
    options = given(name)
    server = SERVICES["server"]["metadata"]["name"]
    values = placeholders()
    url = f"https://{server}-{values['PROJECT_NUMBER']}.{values['REGION']}.run.app"
    assert options["triton"] == url
    assert target_of(url) == (f"{url.removeprefix('https://')}:443", True)
    assert options["triton_identity"]
    assert GoogleIdentity(url, None).audience == url  # type: ignore[arg-type]
    # The server asks for it.
    assert (
        "run.googleapis.com/invoker-iam-disabled"
        not in SERVICES["server"]["metadata"]["annotations"]
    )


def test_api_and_worker_share_a_store_and_the_topic_is_pushed_to_the_workers_own_route():
    stores = {name: parsed_store(given(name)["store"]) for name in ("api", "worker")}
    assert stores["api"] == stores["worker"]
    values, options = placeholders(), given("worker")
    assert stores["api"] == ("google", [values["PROJECT"], values["BUCKET"], "pawfect-jobs"])
    address = f"https://pawfect-worker-{values['PROJECT_NUMBER']}.{values['REGION']}.run.app"
    assert options["push_audience"] == address
    path = options["push_endpoint"].removeprefix(address)
    services: Any = SimpleNamespace(
        sessions=SimpleNamespace(contract=CONTRACT), readiness=SimpleNamespace()
    )
    handler: Any = SimpleNamespace()
    app = create_push_app(services, handler, None, options["jobs"])
    assert path in {route.path for route in app.routes}
    assert options["push"]
    assert options["make_topics"]
    # Who pushes, by the worker's own check: the platform's would take the token's signature away.
    annotations = SERVICES["worker"]["metadata"]["annotations"]
    assert annotations["run.googleapis.com/invoker-iam-disabled"] == "true"
    assert options["push_email"]
    assert not options["no_auth"]


# --- the numbers ----------------------------------------------------------------------------------


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
    text_gib = 4 * values / GIB
    # Pictures in flight: deploy/README.md's --shm-size.
    (shared,) = re.findall(r"--shm-size=(\d+)g", (CONTEXT / "deploy/README.md").read_text())
    # A Python process with torch takes 1 GiB beside its weights, four of them; Triton, 1 GiB.
    assert text_gib + int(shared) + 5 <= gib(CONTAINERS["server"])
    assert GPU_GIB <= gib(CONTAINERS["server"]) <= MOST_GIB
    cpus = {name: int(one["resources"]["limits"]["cpu"]) for name, one in CONTAINERS.items()}
    assert max(GPU_CPU, L4.flux.text_threads) <= cpus["server"] <= MOST_CPU


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


def test_the_images_run_as_nobody_in_particular_and_expose_what_is_called():
    for image, name in IMAGES.items():
        steps = instructions((CONTEXT / name).read_text())
        exposed = [step.value.split() for step in steps if step.name == "EXPOSE"]
        ports = {str(p["containerPort"]) for c in CONTAINERS.values() if c["image"] == image
                 for p in c["ports"]}  # fmt: skip
        assert ports <= set(exposed[0])
        assert [step.value for step in steps if step.name == "USER"] == ["1000:1000"]
        assert isinstance(steps[0], Instruction)
