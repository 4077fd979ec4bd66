"""Who may do what in the cluster: pods are restricted, and talk along the flow's edges alone."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.deploy.cluster import (
    CANARIES,
    FOLDER,
    OVERLAYS,
    Object,
    Pod,
    named,
    of_kind,
    placeholders,
    pods,
    selects,
)

every = pytest.mark.parametrize("overlay", [*OVERLAYS, *CANARIES])
# Of the standard "restricted": kubernetes.io/docs/concepts/security/pod-security-standards.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
           "projected", "secret"}  # fmt: skip
NAMESPACE_NAME = "kubernetes.io/metadata.name"


@every
def test_pods_keep_the_restricted_standard_and_their_namespace_asks_for_it(overlay):
    labels = named(overlay, "Namespace", "pawfect")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for one in pods(overlay):
        if one.namespace != "pawfect":
            continue
        assert not set(one.spec) & {"hostNetwork", "hostPID", "hostIPC", "hostUsers"}
        assert all(set(volume) - {"name"} <= VOLUMES for volume in one.spec["volumes"])
        shared = one.spec["securityContext"]
        assert shared["runAsNonRoot"] is True
        assert shared["runAsUser"] == shared["runAsGroup"] == 1000
        assert shared["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in one.containers:
            assert_confined(container)
            assert not any("hostPort" in port for port in container.get("ports", []))


def assert_confined(container: Object) -> None:
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"]["drop"] == ["ALL"]
    assert "privileged" not in context


@every
def test_what_fills_the_nodes_folder_is_root_for_one_step_and_stands_apart(overlay):
    apart = [one for one in pods(overlay) if one.namespace != "pawfect"]
    assert [one.name for one in apart] == ["pawfect-weights"]
    (one,) = apart
    for container in one.containers:
        assert_confined(container)
        context = container["securityContext"]
        if container["name"] == "folder":
            assert (context["runAsUser"], context["capabilities"]["add"]) == (0, ["CHOWN"])
        else:
            assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 1000)
            assert "add" not in context["capabilities"]
    (path,) = (v["hostPath"]["path"] for v in one.spec["volumes"] if "hostPath" in v)
    assert path == "/var/lib/pawfect/weights"


@every
def test_nobody_has_a_token_of_the_clusters_a_role_or_a_key_file(overlay):
    for one in pods(overlay):
        assert one.spec["automountServiceAccountToken"] is False
        assert "GOOGLE_APPLICATION_CREDENTIALS" not in json.dumps(one.spec)
    accounts = of_kind(overlay, "ServiceAccount")
    assert all(one["automountServiceAccountToken"] is False for one in accounts)
    used = {(one.namespace, one.spec["serviceAccountName"]) for one in pods(overlay)}
    assert used == {(a["metadata"]["namespace"], a["metadata"]["name"]) for a in accounts}
    roles = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "Secret")
    assert not of_kind(overlay, *roles)
    texts = " ".join(path.read_text() for path in FOLDER.rglob("*") if path.is_file())
    assert "PRIVATE KEY" not in texts
    assert "credentialsFromEnv" not in texts


# --- the network ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """One end of a connection.

    Attributes:
        name: for people.
        namespace: labels of its own; None: it is outside the cluster.
        labels: of the pod.
        address: where it is.
        ports: of what it listens on: names and numbers with their protocol.
        where: the name of its namespace.
    """

    name: str
    namespace: dict[str, str] | None
    labels: dict[str, str] = field(default_factory=dict)
    address: str = "10.8.0.1"
    ports: tuple[tuple[str, int, str], ...] = ()
    where: str = ""


OUTSIDE = (
    End("google", None, address="142.250.185.74", ports=(("", 443, "TCP"), ("", 80, "TCP"))),
    End("neighbour", None, address="10.1.2.3", ports=(("", 443, "TCP"), ("", 5432, "TCP"))),
    End("neighbour 2", None, address="172.20.0.3", ports=(("", 443, "TCP"),)),
    End("neighbour 3", None, address="192.168.7.1", ports=(("", 443, "TCP"),)),
    End("metadata", None, address="169.254.169.252", ports=(("", 988, "TCP"), ("", 80, "TCP"))),
    End("metadata2", None, address="169.254.169.254", ports=(("", 80, "TCP"), ("", 443, "TCP"))),
    End("node names", None, address="169.254.20.10", ports=(("", 53, "UDP"), ("", 53, "TCP"))),
)


def ends(overlay: str) -> Iterator[End]:
    values = placeholders()
    for one in pods(overlay):
        labels = {NAMESPACE_NAME: one.namespace}
        ports = tuple((name, number, "TCP") for name, number in one.ports.items())
        yield End(one.name, labels, one.labels, ports=ports, where=one.namespace)
    yield from OUTSIDE
    names = (("dns", 53, "UDP"), ("dns", 53, "TCP"), ("metrics", 9153, "TCP"))
    system = {NAMESPACE_NAME: "kube-system"}
    yield End("names", system, {"k8s-app": "kube-dns"}, ports=names, where="kube-system")
    others = {"gateway": values["INGRESS_NAMESPACE"],
              "prometheus": values["MONITORING_NAMESPACE"], "stranger": "default"}  # fmt: skip
    for name, where in others.items():
        yield End(name, {NAMESPACE_NAME: where}, where=where)


def admits(peer: Object, end: End, where: str) -> bool:
    """Say whether a peer of a policy in a namespace is this end."""
    if "ipBlock" in peer:
        inside = ipaddress.ip_address(end.address)
        block = peer["ipBlock"]
        return inside in ipaddress.ip_network(block["cidr"]) and not any(
            inside in ipaddress.ip_network(each) for each in block.get("except", [])
        )
    if end.namespace is None:
        return False
    of_namespace = peer.get("namespaceSelector")
    near = end.where == where if of_namespace is None else selects(of_namespace, end.namespace)
    return near and selects(peer.get("podSelector", {}), end.labels)


def lets(overlay: str, one: End, other: End, port: tuple[str, int, str], way: str) -> bool:
    """Say whether the policies of one end let a connection through.

    Args:
        one: whose policies.
        other: the other end.
        port: name, number and protocol on the called side.
        way: `ingress` or `egress`, seen from `one`.
    """
    policies = [
        policy["spec"]
        for policy in of_kind(overlay, "NetworkPolicy")
        if policy["metadata"]["namespace"] == one.where
        and way.capitalize() in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], one.labels)
    ]
    if not policies:
        return True
    peers, (name, number, protocol) = {"ingress": "from", "egress": "to"}[way], port
    return any(
        any(admits(peer, other, one.where) for peer in rule[peers])
        and any(p["protocol"] == protocol and holds(p, name, number) for p in rule["ports"])
        for policy in policies
        for rule in policy.get(way, [])
    )


def holds(told: Object, name: str, number: int) -> bool:
    """Say whether a policy's port, or its range of ports, is this one."""
    if "endPort" in told:
        return bool(told["port"] <= number <= told["endPort"])
    return told["port"] in (name, number)


def edges(overlay: str) -> set[tuple[str, str, int, str]]:
    """Every connection that is let through between a pod of ours and anybody."""
    everybody = list(ends(overlay))
    ours = {one.name for one in pods(overlay)}
    return {
        (caller.name, called.name, number, protocol)
        for caller in everybody
        for called in everybody
        for name, number, protocol in called.ports
        if caller is not called
        and {caller.name, called.name} & ours
        and lets(overlay, caller, called, (name, number, protocol), "egress")
        and lets(overlay, called, caller, (name, number, protocol), "ingress")
    }


@every
def test_the_network_lets_through_exactly_the_edges_of_the_flow(overlay):
    suffixes = ("", "-canary") if overlay in CANARIES else ("",)

    def all_of(component: str) -> list[str]:
        return [f"pawfect-{component}{suffix}" for suffix in suffixes]

    callers = [*all_of("api"), *all_of("worker")]
    names = {("names", 53, "UDP"), ("names", 53, "TCP"), ("node names", 53, "UDP"),
             ("node names", 53, "TCP")}  # fmt: skip
    identity = {("metadata", 988, "TCP"), ("metadata2", 80, "TCP")}
    expected = {("gateway", api, 8080, "TCP") for api in all_of("api")}
    for server in all_of("server"):
        expected |= {(caller, server, 8001, "TCP") for caller in callers}
        expected.add(("prometheus", server, 8002, "TCP"))
    expected |= {("prometheus", api, 9101, "TCP") for api in all_of("api")}
    expected |= {("prometheus", worker, 9102, "TCP") for worker in all_of("worker")}
    for caller in callers:
        expected |= {(caller, *to) for to in names | identity | {("google", 443, "TCP")}}
    expected |= {("pawfect-weights", *to) for to in names | {("google", 443, "TCP")}}
    assert edges(overlay) == expected


@every
def test_each_namespace_lets_nothing_through_but_what_a_policy_names(overlay):
    for where in ("pawfect", "pawfect-nodes"):
        closed = [
            policy["spec"]
            for policy in of_kind(overlay, "NetworkPolicy")
            if policy["metadata"]["namespace"] == where and policy["spec"]["podSelector"] == {}
        ]
        assert closed == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
    assert {one.namespace for one in pods(overlay)} == {"pawfect", "pawfect-nodes"}


def test_a_pod_is_one_of_the_flow():
    assert {one.component for one in pods("t4")} == {"server", "api", "worker", "weights"}
    assert all(isinstance(one, Pod) for one in pods("t4"))
