"""compose.yaml: what it starts is what the images have and the commands take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from harness.container.dockerfile import Instruction, instructions, stage_name
from harness.container.image import CONTEXT
from pawfect.contract.parameters import MAX_DEADLINE_MS
from pawfect.profile import PROFILE_VARIABLE, load_profile
from pawfect.weights.manifest import manifest
from pawfect_client.wire import TRANSFER_MARGIN_S, target_of
from pawfect_service.http.callers import ApiKeys
from pawfect_service.jobs.contract import JobContract
from pawfect_service.process.processes import REQUESTS_END_S
from pawfect_service.stores import _parsed as parsed_store
from pawfect_triton.server import EXIT_MARGIN_S
from tests.deploy.command_lines import parsed as read_options

FILE = CONTEXT / "deploy" / "compose.yaml"
OBSERVABILITY = CONTEXT / "deploy" / "observability"
EVERY: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
# Of other people's images there is one, started by its profile alone.
SERVICES = {name: one for name, one in EVERY.items() if "profiles" not in one}
PROMETHEUS = EVERY["prometheus"]
VOLUMES: dict[str, Any] = yaml.safe_load(FILE.read_text())["volumes"]


def steps(name: str) -> list[Instruction]:
    """The instructions of a service's image."""
    build = SERVICES[name]["build"]
    assert (FILE.parent / build["context"]).resolve() == CONTEXT
    return instructions((CONTEXT / build["dockerfile"]).read_text())


def last(name: str, instruction: str) -> Instruction:
    return [step for step in steps(name) if step.name == instruction][-1]


def parsed(name: str) -> dict[str, Any]:
    """The options that the real command reads from what a service runs."""
    service = SERVICES[name]
    given = service.get("command") or last(name, "CMD").words()
    words = [*last(name, "ENTRYPOINT").words(), *given]
    return read_options(words, service.get("environment", {}) | {"PORT": "8080"})


def test_one_image_is_built_one_way_and_every_volume_is_declared():
    builds: dict[str, Any] = {}
    for service in SERVICES.values():
        assert builds.setdefault(service["image"], service["build"]) == service["build"]
    assert set(builds) == {"pawfect", "pawfect-service"}
    mounted = {volume.split(":")[0] for one in EVERY.values() for volume in one["volumes"]}
    assert {volume for volume in mounted if "/" not in volume} == set(VOLUMES)
    # Without torch.
    assert builds["pawfect"]["target"] == "cpu"
    assert "cpu" in {stage_name(step) for step in steps("server") if step.name == "FROM"}


def test_the_server_has_the_profile_that_needs_no_torch_and_serves_grpc():
    server = SERVICES["server"]
    assert server["environment"] == {PROFILE_VARIABLE: "embedded"}
    assert load_profile("embedded")
    options = parsed("server")
    assert (options["host"], options["no_http"]) == ("0.0.0.0", True)
    assert "ports" not in server, "nobody but API and worker reaches it"
    assert server["shm_size"] == "3g"
    weights = " ".join(step.value for step in steps("server") if step.name == "ENV")
    assert f"PAWFECT_WEIGHTS={server['volumes'][0].split(':')[1]}" in weights


def test_api_and_worker_call_the_server_and_share_a_store_that_outlives_them():
    api, worker, server = parsed("api"), parsed("worker"), parsed("server")
    for options in (api, worker):
        address, secure = target_of(options["triton"])
        assert (address, secure) == (f"server:{server['grpc_port']}", False)
    assert api["store"] == worker["store"]
    kind, [folder] = parsed_store(api["store"])
    assert kind == "embedded"
    for name in ("api", "worker", "key"):
        (volume,) = SERVICES[name]["volumes"]
        volume_name, place = volume.split(":")
        assert volume_name == "data"
        assert Path(folder).is_relative_to(place)
        # A volume takes the folder's owner and mode over from the image.
        assert f"install -d -m 1777 {place}" in " ".join(s.value for s in steps(name))
    assert not worker["push"]


def test_the_page_is_published_to_this_machine_alone():
    (port,) = SERVICES["api"]["ports"]
    address, outside, inside = port.split(":")
    assert address == "127.0.0.1"
    options = parsed("api")
    assert (options["host"], options["port"]) == ("0.0.0.0", int(inside))
    assert inside in last("api", "EXPOSE").value.split()
    assert f"http://127.0.0.1:{outside}/" in FILE.read_text()
    assert [name for name, one in SERVICES.items() if "ports" in one] == ["api"]


def test_the_first_start_makes_one_key_and_the_next_keeps_it(tmp_path):
    (script,) = SERVICES["key"]["command"]
    (place,) = {Path(parsed("api")["api_keys"]).parent}
    # As compose reads it, on a folder of this machine.
    script = script.replace("$$", "$").replace(str(place), str(tmp_path))
    search_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def start() -> str:
        words = [*SERVICES["key"]["entrypoint"], script]
        environment = {**os.environ, "PATH": search_path}
        ended = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
        return ended.stdout

    first = start()
    (key,) = re.findall(r"Sign in at http://127\.0\.0\.1:8080 with the key (\S+)", first)
    (file,) = tmp_path.iterdir()
    assert file.name == Path(parsed("api")["api_keys"]).name
    assert key not in file.read_text()
    ApiKeys(file.read_text().splitlines())
    kept = file.read_text()
    second = start()
    assert "still holds" in second
    assert key not in second
    assert file.read_text() == kept


def test_each_starts_after_what_it_needs_and_nothing_writes_where_it_should_not():
    for name, service in EVERY.items():
        assert service["read_only"] is True, name
        assert (service["tmpfs"], service["cap_drop"]) == (["/tmp"], ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        for needed, how in service.get("depends_on", {}).items():
            once = "restart" not in SERVICES[needed]
            expected = "service_completed_successfully" if once else "service_healthy"
            assert how == {"condition": expected}
            if not once:
                assert [s for s in steps(needed) if s.name == "HEALTHCHECK"]
    assert SERVICES["server"]["volumes"][0].endswith(":ro")
    users = {name: one["user"] for name, one in SERVICES.items() if "user" in one}
    assert set(users) == {"network"}


def test_only_the_page_is_reached_from_outside_and_the_server_reaches_nobody():
    networks = yaml.safe_load(FILE.read_text())["networks"]
    assert networks["inside"] == {"internal": True}
    assert not networks["outside"]
    joined = {name: one.get("networks", [one.get("network_mode")]) for name, one in
              EVERY.items()}  # fmt: skip
    assert joined == {
        "network": ["outside"], "server": ["inside"], "key": ["none"],
        "api": ["inside", "outside"], "worker": ["inside"], "prometheus": ["inside", "outside"],
    }  # fmt: skip


def test_nobody_is_killed_before_what_is_in_flight_has_had_its_time():
    given = {name: int(one["stop_grace_period"].removesuffix("s")) for name, one in
             SERVICES.items() if "restart" in one}  # fmt: skip
    exit_s = parsed("server")["exit_timeout"]
    assert given["server"] > exit_s + EXIT_MARGIN_S
    assert exit_s > MAX_DEADLINE_MS / 1000 + TRANSFER_MARGIN_S
    assert given["worker"] > parsed("worker")["grace"] > JobContract().fill_s
    assert given["api"] > REQUESTS_END_S


def test_every_process_that_stays_is_asked_how_it_is():
    port = re.findall(r"PORT=(\d+)", last("worker", "ENV").value)[0]
    # The image's own check asks there.
    assert parsed("worker")["health_port"] == parsed("api")["port"] == int(port)
    for name, service in SERVICES.items():
        if "restart" in service:
            assert "healthcheck" not in service
            assert last(name, "HEALTHCHECK")


def test_the_networks_that_are_fetched_are_in_the_manifest():
    (command,) = SERVICES["network"]["command"]
    (entries,) = re.findall(r"pawfect weights fetch (.+) \|\|", command)
    assert set(entries.split()) <= set(manifest())


def test_prometheus_runs_where_it_is_asked_for_with_the_files_that_are_here():
    assert set(EVERY) - set(SERVICES) == {"prometheus"}
    assert PROMETHEUS["profiles"] == ["metrics"]
    image = re.fullmatch(r"\$\{PROMETHEUS_IMAGE:-([\w./-]+:v[\d.]+)\}", PROMETHEUS["image"])
    assert image, "pinned, and by a digest if need be"
    (port,) = PROMETHEUS["ports"]
    assert port == "127.0.0.1:9090:9090"
    options = dict(word.removeprefix("--").split("=") for word in PROMETHEUS["command"])
    folder, data = (volume.split(":") for volume in PROMETHEUS["volumes"])
    assert folder[2] == "ro"
    config = Path(options["config.file"])
    assert config.parent == Path(folder[1])
    assert (FILE.parent / folder[0] / config.name) == OBSERVABILITY / "prometheus.compose.yaml"
    assert data == ["metrics", options["storage.tsdb.path"]]
    assert "127.0.0.1:9090/-/ready" in PROMETHEUS["healthcheck"]["test"][-1]
