"""The numbers in the cluster's files: ends outlast what they wait for, and nodes hold it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import pytest

from harness.container.image import CONTEXT
from pawfect.contract.parameters import MAX_DEADLINE_MS
from pawfect.profile import Profile, load_profile
from pawfect_client.wire import TRANSFER_MARGIN_S
from pawfect_service.api.app import ApiSettings
from pawfect_service.jobs.contract import JobContract
from pawfect_service.process.processes import REQUESTS_END_S
from pawfect_service.stores.google.topics import Names
from pawfect_triton.health import SILENT_S
from pawfect_triton.installation import MIN_SHM_BYTES
from pawfect_triton.server import EXIT_MARGIN_S
from perf.diffusion.memory import GIB, processes_of, shapes_of, total_gib
from perf.service.scaling.rule import load_rule
from tests.deploy.cluster import (
    CANARIES,
    OVERLAYS,
    PROFILES,
    Pod,
    amount,
    named,
    of_kind,
    placeholders,
    pod,
    pods,
)

CONTRACT = JobContract()
# How long a platform may need until nobody is sent to a pod that ends, s: endpoints are told to
# each node and, by DNS, to each client.
UNKNOWN_S = 10
every = pytest.mark.parametrize("overlay", [*OVERLAYS, *CANARIES])


@dataclass(frozen=True)
class Node:
    """A machine of a node pool: cloud.google.com/compute/docs/machine-resource and .../gpus.

    Attributes:
        machine: its type.
        cores: of the CPU.
        gib: of memory.
        card: as GKE labels it; None: none.
        card_gib: of the card, what a process can have.
    """

    machine: str
    cores: int
    gib: int
    card: str | None = None
    card_gib: float = 0.0

    @property
    def allocatable_gib(self) -> float:
        """What pods may have: cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes."""
        kept, left = 0.1, float(self.gib)
        for width, share in ((4, 0.25), (4, 0.2), (8, 0.1), (112, 0.06), (math.inf, 0.02)):
            kept += share * min(left, width)
            left -= min(left, width)
        return self.gib - kept

    @property
    def allocatable_cores(self) -> float:
        """As above, in cores."""
        shares = [0.06, 0.01, 0.005, 0.005] + [0.0025] * (self.cores - 4)
        return self.cores - sum(shares)


NODES = {
    "t4": Node("n1-highmem-8", 8, 52, "nvidia-tesla-t4", 14.7),
    "l4": Node("g2-standard-12", 12, 48, "nvidia-l4", 22.0),
    "cpu": Node("e2-standard-4", 4, 16),
}
NODES["staging"] = NODES["t4"]
# What the cluster's own pods take on each node: agents of logs, metrics, network and disks.
OWN_CORES, OWN_GIB = 0.6, 0.8


# --- ends -----------------------------------------------------------------------------------------


def pause_s(one: Pod) -> int:
    """How long a pod goes on as ever after it was told to end, s."""
    hook = one.main.get("lifecycle", {}).get("preStop")
    if hook is None:
        return 0
    program, seconds = hook["exec"]["command"]
    assert program == "sleep"
    return int(seconds)


@every
def test_a_server_is_killed_after_its_exit_timeout_and_that_is_after_the_longest_deadline(overlay):
    for one in pods(overlay):
        if one.component != "server":
            continue
        grace = one.spec["terminationGracePeriodSeconds"]
        exit_s = one.options(one.main, overlay)["exit_timeout"]
        # Its own deadline, and what comes and goes around it.
        assert exit_s > MAX_DEADLINE_MS / 1000 + TRANSFER_MARGIN_S
        assert exit_s > CONTRACT.fill_s
        assert grace > pause_s(one) + exit_s + EXIT_MARGIN_S
        assert pause_s(one) > UNKNOWN_S


@every
def test_a_worker_may_end_its_longest_job_and_is_killed_after_that(overlay):
    for one in pods(overlay):
        if one.component != "worker":
            continue
        grace_s = one.options(one.main, overlay)["grace"]
        assert grace_s > CONTRACT.fill_s
        # Jobs are given back, and /healthz tells until its requests have ended.
        assert one.spec["terminationGracePeriodSeconds"] > grace_s + CONTRACT.lease_s


@every
def test_an_api_ends_its_requests_once_nobody_is_sent_to_it(overlay):
    for one in pods(overlay):
        if one.component == "api":
            assert pause_s(one) >= UNKNOWN_S
            grace = one.spec["terminationGracePeriodSeconds"]
            assert grace > pause_s(one) + REQUESTS_END_S


@every
def test_connections_age_within_the_time_that_a_replica_is_kept(overlay):
    server = pod(overlay, "pawfect-server")
    age_s = server.options(server.main, overlay)["connection_age"]
    assert age_s <= load_rule().scale_down_s
    # Not while a job of usual length runs.
    assert age_s > CONTRACT.fill_s


# --- starts ---------------------------------------------------------------------------------------


@every
def test_a_start_has_the_time_that_the_profile_gives_it(overlay):
    profile = load_profile(PROFILES[overlay.split("/")[0]])
    for one in pods(overlay):
        if one.component != "server":
            continue
        startup = one.main["startupProbe"]
        patience = startup["periodSeconds"] * startup["failureThreshold"]
        assert patience > profile.limits.ready_s
        (wait,) = one.spec["initContainers"]
        rollout = named(overlay, "Deployment", one.name)["spec"]["progressDeadlineSeconds"]
        assert rollout > patience + one.options(wait, overlay)["patience_s"]


@every
def test_a_probe_asks_again_before_the_last_answer_is_late(overlay):
    for one in pods(overlay):
        if one.component == "weights":
            assert not any("Probe" in key for key in one.main)
            continue
        probes = {key: one.main[f"{key}Probe"] for key in ("startup", "readiness", "liveness")}
        for probe in probes.values():
            assert probe["timeoutSeconds"] <= probe["periodSeconds"]
            assert probe["timeoutSeconds"] <= SILENT_S
        # A restart loses what runs: it is slower to be decided than that nobody is sent there.
        slow, quick = (p["periodSeconds"] * p["failureThreshold"] for p in
                       (probes["liveness"], probes["readiness"]))  # fmt: skip
        assert slow > 3 * quick


# --- what fits ------------------------------------------------------------------------------------


def needed(one: Pod, kind: str, resource: str) -> float:
    """What a pod asks of its node: its containers together, or the largest that runs before."""

    def of(container: dict[str, object]) -> float:
        return amount(str(container["resources"][kind].get(resource, "0")))  # type: ignore[index]

    before = [of(container) for container in one.spec.get("initContainers", [])]
    return max([sum(of(container) for container in one.spec["containers"]), *before])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_node_holds_its_server_and_what_fills_its_weights(overlay):
    node = NODES[overlay]
    here = [pod(overlay, "pawfect-server"), pod(overlay, "pawfect-weights")]
    assert sum(needed(one, "requests", "cpu") for one in here) + OWN_CORES < node.allocatable_cores
    gib = sum(needed(one, "limits", "memory") for one in here) / GIB
    assert gib + OWN_GIB < node.allocatable_gib
    for one in here:
        selector = one.spec["nodeSelector"]
        assert selector.get("cloud.google.com/gke-accelerator") == node.card
        taints = {t["key"] for t in one.spec.get("tolerations", []) if t["effect"] == "NoSchedule"}
        assert ("nvidia.com/gpu" in taints) is (node.card is not None)
    assert here[0].spec["nodeSelector"].items() >= {
        *(here[1].spec["nodeSelector"].items() - {("cloud.google.com/gke-spot", "true")})
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_readme_names_the_node_pools_that_the_numbers_are_for(overlay):
    text = (CONTEXT / "deploy/README.md").read_text()
    (row,) = re.findall(rf"^\| `{overlay}` \|(.*)$", text, re.M)
    node, profile = NODES[overlay], PROFILES[overlay]
    assert f"`{node.machine}`" in row
    assert f"`{profile}`" in row


@every
def test_every_container_says_what_it_asks_for_and_its_memory_is_no_more_than_that(overlay):
    for one in pods(overlay):
        for container in one.containers:
            asked, most = (container["resources"][kind] for kind in ("requests", "limits"))
            assert asked["memory"] == most["memory"], "no pod is killed for what others took"
            assert "cpu" in asked
            assert asked.get("nvidia.com/gpu") == most.get("nvidia.com/gpu")


@pytest.mark.parametrize("overlay", ["t4", "l4"])
def test_the_card_holds_the_profiles_models(overlay):
    profile = load_profile(PROFILES[overlay])
    server = pod(overlay, "pawfect-server")
    assert needed(server, "limits", "nvidia.com/gpu") == 1
    assert total_gib(processes_of(profile)) < NODES[overlay].card_gib


def off_card_gib(profile: Profile) -> float:
    """What models keep in full precision outside the card."""
    assert profile.flux is not None
    assert (profile.flux.text_device, profile.flux.text_dtype) == ("cpu", "float32")
    names = ("t5_text_encoder", "clip_text_encoder")
    values = sum(math.prod(shape) for name in names for shape in shapes_of(name).values())
    assert profile.sam3 is not None
    assert profile.sam3.text_device == "cpu"
    values += sum(
        math.prod(shape)
        for name, shape in shapes_of("sam3").items()
        if name.startswith("detector_model.text_encoder.")
    )
    return 4 * values / GIB


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_memory_holds_what_the_models_keep_and_the_shared_pictures(overlay):
    profile, server = load_profile(PROFILES[overlay]), pod(overlay, "pawfect-server")
    limit = needed(server, "limits", "memory") / GIB
    (shm,) = (v["emptyDir"] for v in server.spec["volumes"] if v["name"] == "shm")
    assert shm["medium"] == "Memory"
    shared = amount(shm["sizeLimit"])
    # As everywhere: deploy/README.md.
    text = (CONTEXT / "deploy/README.md").read_text()
    assert re.findall(r"--shm-size=(\d+)g", text)[0] == f"{shared / GIB:g}"
    assert shared > 2 * MIN_SHM_BYTES
    # Triton, 1 GiB; a Python process with torch takes 1 GiB beside its weights, four of them. The
    # embedded profile's processes together take some 3 GiB at 100 MP, with none of torch.
    weights = off_card_gib(profile) if profile.flux else 0.0
    assert weights + shared / GIB + (5 if profile.flux else 4) <= limit
    threads = max(profile.flux.text_threads, profile.sam3.text_threads) if (
        profile.flux and profile.sam3) else 2  # fmt: skip
    assert threads <= needed(server, "requests", "cpu")


@every
def test_the_memory_of_api_and_worker_holds_the_largest_photos(overlay):
    for name in ("pawfect-api", "pawfect-worker"):
        one = pod(overlay, name)
        # 110 MP as RGB and their mask; the file as it came, and the result beside them.
        decoded = 110e6 * (3 + 3 + 1) + 2 * ApiSettings.max_body_bytes
        at_a_time = one.options(one.main, overlay)["jobs"]
        assert at_a_time * decoded / GIB + 0.5 <= needed(one, "limits", "memory") / GIB


# --- how many -------------------------------------------------------------------------------------


def scaled(overlay: str, name: str) -> dict[str, object]:
    return named(overlay, "ScaledObject", name)["spec"]


@pytest.mark.parametrize("overlay", ["t4", "l4", "cpu"])
def test_the_cluster_is_told_the_rule_that_the_simulation_has(overlay):
    rule = load_rule()
    server = scaled(overlay, "pawfect-server")
    backlog, pending = server["triggers"]
    assert float(backlog["metadata"]["threshold"]) == rule.jobs_per_replica
    assert float(pending["metadata"]["threshold"]) == rule.pending_per_replica
    assert pending["metadata"]["query"] == (
        'sum(nv_inference_pending_request_count{namespace="pawfect"})'
    )
    for name in ("pawfect-server", "pawfect-worker"):
        told = scaled(overlay, name)
        assert told["pollingInterval"] == rule.sync_s
        behaviour = told["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behaviour["scaleDown"]["stabilizationWindowSeconds"] == rule.scale_down_s
        assert behaviour["scaleUp"]["stabilizationWindowSeconds"] == 0
        # Per replica: the autoscaler divides the total by how many there are.
        assert {t["metricType"] for t in told["triggers"]} == {"AverageValue"}
    assert (server["minReplicaCount"], server["maxReplicaCount"]) == (
        rule.min_replicas, rule.max_replicas,
    )  # fmt: skip


@every
def test_the_backlog_is_that_of_the_subscription_that_the_workers_pull(overlay):
    names = Names.of(placeholders()["PROJECT"], "pawfect-jobs")
    project, short = names.subscription.split("/")[1::2]
    for one in of_kind(overlay, "ScaledObject"):
        backlog = one["spec"]["triggers"][0]
        assert f'"subscription_id"="{short}"' in backlog["metadata"]["query"]
        assert f"/projects/{project}/" in backlog["metadata"]["serverAddress"]
        auth = named(overlay, "TriggerAuthentication", backlog["authenticationRef"]["name"])
        assert auth["spec"] == {"podIdentity": {"provider": "gcp"}}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_there_are_as_many_workers_as_servers_fill_for(overlay):
    rule, worker = load_rule(), pod(overlay, "pawfect-worker")
    jobs = worker.options(worker.main, overlay)["jobs"]
    told = {name: scaled(overlay, f"pawfect-{name}") for name in ("server", "worker")}
    held = told["worker"]["maxReplicaCount"] * jobs
    assert held >= told["server"]["maxReplicaCount"] * rule.jobs_per_replica
    assert float(told["worker"]["triggers"][0]["metadata"]["threshold"]) == jobs
    # Labels are asked for after the answer, sessions are swept: somebody must be there.
    assert all(one["minReplicaCount"] >= 1 for one in told.values())


@every
def test_nodes_can_be_emptied_and_never_all_at_once(overlay):
    budgets = of_kind(overlay, "PodDisruptionBudget")
    assert len(budgets) == 3
    # A minimum of one would keep the node of a single replica for ever.
    assert all(one["spec"]["maxUnavailable"] == 1 for one in budgets)
    assert named(overlay, "Deployment", "pawfect-api")["spec"]["replicas"] >= 2
