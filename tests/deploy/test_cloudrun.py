"""The files for Cloud Run: what they say is what the code reads, takes and listens on."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.container.dockerfile import Instruction, instructions
from harness.container.image import CONTEXT
from pawfect.profile import PROFILE_VARIABLE
from pawfect.weights.store import ROOT_VARIABLE
from pawfect_client.wire import target_of
from pawfect_service.identity import GoogleIdentity
from pawfect_service.stores import _parsed as parsed_store
from pawfect_service.worker.push import create_push_app
from tests.deploy.cloudrun import (
    CONTAINERS,
    CONTRACT,
    FOLDER,
    IMAGES,
    JOB,
    L4,
    PODS,
    SERVICES,
    given,
    parsed,
    placeholders,
)


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
    assert parsed(container) == {"names": (L4.name,), "patience_s": None}
    (ours,), (theirs,) = JOB["volumes"], PODS["server"]["volumes"]
    assert ours["csi"]["volumeAttributes"] == theirs["csi"]["volumeAttributes"]
    text = (CONTEXT / "Dockerfile.triton").read_text()
    users = set(re.findall(r"^USER (\d+):(\d+)$", text, re.M))
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
    assert options["restricted"]
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


def test_the_images_run_as_nobody_in_particular_and_expose_what_is_called():
    for image, name in IMAGES.items():
        steps = instructions((CONTEXT / name).read_text())
        exposed = [step.value.split() for step in steps if step.name == "EXPOSE"]
        ports = {str(p["containerPort"]) for c in CONTAINERS.values() if c["image"] == image
                 for p in c["ports"]}  # fmt: skip
        assert ports <= set(exposed[0])
        assert {step.value for step in steps if step.name == "USER"} == {"1000:1000"}
        assert isinstance(steps[0], Instruction)
