"""The cluster's files: each overlay renders and keeps the schemas, and every name in it exists."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from harness.container.image import CONTEXT
from pawfect.profile import PROFILE_VARIABLE, load_profile
from pawfect.weights.store import ROOT_VARIABLE
from pawfect_client.wire import target_of
from pawfect_service.stores import _parsed as parsed_store
from pawfect_service.variants.file import parse_variants
from tests.deploy.cluster import (
    CANARIES,
    COMPONENT,
    FOLDER,
    OVERLAYS,
    PROFILES,
    images,
    named,
    objects,
    of_kind,
    placeholders,
    pod,
    pods,
    rendered,
    selects,
)
from tests.deploy.command_lines import steps_of

# The oldest and the newest release that the manifests are held to.
RELEASES = ("1.30", "1.37")
KEDA = json.loads((Path(__file__).parent / "keda.schema.json").read_text())
# Made by hand, as deploy/README.md says; the last may be missing.
SECRETS = {"pawfect-server-tls", "pawfect-api-keys", "pawfect-hub"}

every = pytest.mark.parametrize("overlay", [*OVERLAYS, *CANARIES])


@cache
def keeps_its_schema(written: str) -> bool:
    """Raise where an object does not; overlays share most of theirs."""
    one = json.loads(written)
    if one["apiVersion"].startswith("keda.sh/"):
        jsonschema.validate(one, KEDA)
    else:
        for release in RELEASES:
            kubernetes_validate.validate(one, release, strict=True)
    return True


@every
def test_every_object_keeps_its_schema(overlay):
    assert objects(overlay)
    assert all(keeps_its_schema(json.dumps(one)) for one in objects(overlay))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "maxReplicas"), 3),
        (("spec", "triggers", 0, "metadata", "threshold"), 2),
        (("spec", "triggers", 0, "metadata", "treshold"), "2"),
        (("spec", "triggers", 0, "type"), "gcp-pubsub"),
        (("spec", "scaleTargetRef"), {"kind": "Deployment"}),
    ],
)
def test_the_hand_kept_schema_refuses_what_is_not_of_it(path, value):
    broken = copy.deepcopy(named("t4", "ScaledObject", "pawfect-server"))
    *way, last = path
    at = broken
    for step in way:
        at = at[step]
    at[last] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, KEDA)


def test_a_wrong_field_is_refused_by_the_apis_schema():
    broken = copy.deepcopy(named("t4", "Deployment", "pawfect-server"))
    broken["spec"]["template"]["spec"]["containers"][0]["portz"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, RELEASES[0], strict=True)


@every
def test_no_two_objects_have_one_name(overlay):
    names = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in
             objects(overlay)]  # fmt: skip
    assert len(set(names)) == len(names)


def test_every_placeholder_is_in_the_one_documented_set_and_none_is_left_over():
    texts = [path.read_text() for path in FOLDER.rglob("*.yaml")]
    used = {name for text in texts for name in re.findall(r"\$\{(\w+)\}", text)}
    assert used == set(placeholders())
    assert not any(re.search(r"my-project|my-registry", text) for text in texts)


def test_every_file_is_part_of_an_overlay():
    used = set()
    for kustomization in FOLDER.rglob("kustomization.yaml"):
        content, folder = yaml.safe_load(kustomization.read_text()), kustomization.parent
        generated = [file for one in content.get("configMapGenerator", []) for file in one["files"]]
        for name in [*content.get("resources", []), *content.get("bases", []), *generated,
                     *content.get("patchesStrategicMerge", [])]:  # fmt: skip
            path = (folder / name).resolve()
            assert path.exists(), path
            used.add(path / "kustomization.yaml" if path.is_dir() else path)
    tops = {FOLDER / "overlays" / name / "kustomization.yaml" for name in (*OVERLAYS, *CANARIES)}
    assert {path for path in FOLDER.rglob("*") if path.suffix in (".yaml", ".toml")} == used | tops


# --- images ---------------------------------------------------------------------------------------


@every
def test_images_are_pinned_by_a_tag_and_may_be_by_a_digest(overlay):
    known = images("Dockerfile.service") | images("Dockerfile.triton")
    for one in pods(overlay):
        for container in one.containers:
            image = container["image"]
            assert image in known or image.startswith("registry.k8s.io/pause:")
            tag = re.fullmatch(r"[\w./-]+:([\w.-]+)(@sha256:[0-9a-f]{64})?", image)
            assert tag is not None
            assert tag[1] != "latest"
            # What it means never changes: no pull where it is there.
            assert "imagePullPolicy" not in container


# --- names ----------------------------------------------------------------------------------------


@every
def test_every_name_that_a_pod_uses_exists(overlay):
    def there(kind: str, name: str, namespace: str) -> bool:
        found = [o["metadata"] for o in of_kind(overlay, kind) if o["metadata"]["name"] == name]
        return any(one["namespace"] == namespace for one in found)

    for one in pods(overlay):
        assert there("ServiceAccount", one.spec["serviceAccountName"], one.namespace)
        volumes = {volume["name"]: volume for volume in one.spec.get("volumes", [])}
        for volume in volumes.values():
            if "secret" in volume:
                assert volume["secret"]["secretName"] in SECRETS
                assert volume["secret"]["items"]
            if "configMap" in volume:
                assert there("ConfigMap", volume["configMap"]["name"], one.namespace)
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert there("PersistentVolumeClaim", claim, one.namespace)
        mounted = {m["name"] for c in one.containers for m in c.get("volumeMounts", [])}
        assert mounted == set(volumes), one.name
        for container in one.containers:
            places = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            assert len(set(places)) == len(places)
            for source in container.get("envFrom", []):
                assert there("ConfigMap", source["configMapRef"]["name"], one.namespace)
            for variable in container.get("env", []):
                if "valueFrom" in variable:
                    key = variable["valueFrom"]["secretKeyRef"]
                    assert key["name"] in SECRETS
                    assert key["optional"]
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if probe in container:
                    assert container[probe]["httpGet"]["port"] in one.ports


@every
def test_every_selector_selects_pods(overlay):
    all_pods = list(pods(overlay))
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        for one in of_kind(overlay, kind):
            where, spec = one["metadata"]["namespace"], one["spec"]
            selector = {"matchLabels": spec["selector"]} if kind == "Service" else spec.get(
                "selector", spec.get("podSelector"))  # fmt: skip
            chosen = [p for p in all_pods if p.namespace == where and selects(selector, p.labels)]
            assert chosen, f"{kind} {one['metadata']['name']}"
            if kind == "Service":
                for port in spec["ports"]:
                    assert all(port["targetPort"] in p.ports for p in chosen)
    for one in of_kind(overlay, "Deployment", "DaemonSet"):
        chosen = [p.name for p in all_pods if selects(one["spec"]["selector"], p.labels)]
        assert chosen == [one["metadata"]["name"]], "selects its own pods and no other's"


@every
def test_every_name_that_is_scaled_or_authenticates_exists(overlay):
    for one in of_kind(overlay, "ScaledObject"):
        target = one["spec"]["scaleTargetRef"]
        found = named(overlay, target["kind"], target["name"])
        assert found["apiVersion"] == target["apiVersion"]
        assert found["metadata"]["namespace"] == one["metadata"]["namespace"]
        # Else each `kubectl apply` would set what KEDA has set.
        assert "replicas" not in found["spec"]
        for trigger in one["spec"]["triggers"]:
            if "authenticationRef" in trigger:
                assert named(overlay, "TriggerAuthentication", trigger["authenticationRef"]["name"])
    scaled = [o["spec"]["scaleTargetRef"]["name"] for o in of_kind(overlay, "ScaledObject")]
    assert sorted(scaled) == ["pawfect-server", "pawfect-worker"]


def test_no_autoscaler_stands_beside_kedas():
    assert not any(of_kind(overlay, "HorizontalPodAutoscaler") for overlay in OVERLAYS)


@every
def test_the_servers_volume_is_the_folder_that_is_filled(overlay):
    volume, claim = named(overlay, "PersistentVolume", "pawfect-weights"), named(
        overlay, "PersistentVolumeClaim", "pawfect-weights")  # fmt: skip
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert volume["spec"]["claimRef"] == {
        key: claim["metadata"][key] for key in ("namespace", "name")
    }
    assert claim["spec"]["storageClassName"] == volume["spec"]["storageClassName"] == ""
    (filled,) = (v["hostPath"] for v in pod(overlay, "pawfect-weights").spec["volumes"] if
                 "hostPath" in v)  # fmt: skip
    assert volume["spec"]["hostPath"]["path"] == filled["path"]
    # Made by the one, waited for by the other.
    assert (volume["spec"]["hostPath"]["type"], filled["type"]) == (
        "Directory", "DirectoryOrCreate",
    )  # fmt: skip


# --- what runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_of_ours_runs_a_command_of_ours_with_the_overlays_profile(overlay):
    profile = load_profile(PROFILES[overlay])
    server = pod(overlay, "pawfect-server")
    (wait,) = server.spec["initContainers"]
    weights = pod(overlay, "pawfect-weights")
    folder, fetch, verify = weights.spec["initContainers"]
    for one, container in ((server, server.main), (server, wait), (weights, fetch),
                           (weights, verify)):  # fmt: skip
        assert one.environment(container, overlay)[PROFILE_VARIABLE] == profile.name
    options = server.options(server.main, overlay)
    assert (options["profile"], options["host"], options["no_http"]) == (
        profile.name, "0.0.0.0", True,
    )  # fmt: skip
    assert options["restricted"]
    asked = server.options(wait, overlay)
    assert asked["names"] == (profile.name,)
    assert asked["patience_s"]
    fetched = weights.options(fetch, overlay)
    assert (fetched["names"], fetched["accept_licence"]) == ((profile.name,), True)
    assert weights.options(verify, overlay) == {"names": (profile.name,), "patience_s": None}
    assert folder["command"] == ["chown", "1000:1000", "/weights"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ports_are_those_that_the_processes_listen_on(overlay):
    server = pod(overlay, "pawfect-server")
    options = server.options(server.main, overlay)
    listened = {name: options[f"{name}_port"] for name in ("grpc", "metrics", "health")}
    assert server.ports == listened
    scraped = named(overlay, "Deployment", "pawfect-server")["spec"]["template"]["metadata"]
    assert scraped["annotations"]["prometheus.io/port"] == str(listened["metrics"])
    api, worker = pod(overlay, "pawfect-api"), pod(overlay, "pawfect-worker")
    options = api.options(api.main, overlay)
    assert api.ports == {"http": options["port"], "metrics": options["metrics_port"]}
    options = worker.options(worker.main, overlay)
    assert worker.ports == {"http": options["health_port"], "metrics": options["metrics_port"]}
    for one in (api, worker):
        assert one.options(one.main, overlay)["host"] == "0.0.0.0"
    (told,) = {server.main[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness")}
    assert told == "/readyz"
    assert server.main["livenessProbe"]["httpGet"]["path"] == "/healthz"


@every
def test_the_server_is_called_by_its_services_name_over_tls_and_all_of_them_are(overlay):
    service = named(overlay, "Service", "pawfect-server")
    meta, spec = service["metadata"], service["spec"]
    # By one address a client would keep to one server.
    assert spec["clusterIP"] == "None"
    (port,) = spec["ports"]
    for name in ("pawfect-api", "pawfect-worker"):
        one = pod(overlay, name)
        options = one.options(one.main, overlay)
        host = f"{meta['name']}.{meta['namespace']}.svc"
        assert target_of(options["triton"]) == (f"{host}:{port['port']}", True)
        assert places(one)[str(options["triton_ca"])] == ("pawfect-server-tls", "ca.crt")
    server = pod(overlay, "pawfect-server")
    options = server.options(server.main, overlay)
    assert options["grpc_port"] == port["port"]
    for option, key in (("tls_cert", "tls.crt"), ("tls_key", "tls.key")):
        assert places(server)[str(options[option])] == ("pawfect-server-tls", key)
    # The key is where the server is, and nowhere else.
    assert [p.component for p in pods(overlay) if any(k == "tls.key" for _, k in
            places(p).values())] == ["server"] * (1 + (overlay in CANARIES))  # fmt: skip


def places(one) -> dict[str, tuple[str, str]]:
    """Secret and key by the path of the file in a pod's main container."""
    mounts = {m["name"]: m for m in one.main.get("volumeMounts", [])}
    return {
        f"{mounts[v['name']]['mountPath']}/{item['path']}": (v["secret"]["secretName"], item["key"])
        for v in one.spec["volumes"]
        if "secret" in v
        for item in v["secret"]["items"]
    }


@every
def test_api_and_worker_share_a_store_and_the_worker_makes_its_topic(overlay):
    api, worker = (pod(overlay, f"pawfect-{name}") for name in ("api", "worker"))
    store = api.options(api.main, overlay)["store"]
    values = placeholders()
    expected = ("google", [values["PROJECT"], values["BUCKET"], "pawfect-jobs"])
    assert parsed_store(store) == expected
    options = worker.options(worker.main, overlay)
    assert options["store"] == store
    assert (options["push"], options["make_topics"]) == (False, True)
    assert places(api)[str(api.options(api.main, overlay)["api_keys"])] == (
        "pawfect-api-keys", "api-keys",
    )  # fmt: skip


@every
def test_the_weights_lie_where_the_image_looks_for_them(overlay):
    (weights,) = re.findall(rf"{ROOT_VARIABLE}=(\S+)", (CONTEXT / "Dockerfile.triton").read_text())
    server, filler = pod(overlay, "pawfect-server"), pod(overlay, "pawfect-weights")
    for one in (server, filler):
        for container in one.containers:
            mounts = [m for m in container.get("volumeMounts", []) if m["name"] == "weights"]
            assert [m["mountPath"] for m in mounts] == ([weights] if mounts else [])
            # Only what fills it writes.
            assert all(m.get("readOnly", False) is (one is server) for m in mounts)
    assert [c["name"] for c in filler.spec["initContainers"]] == ["folder", "fetch", "verify"]
    (user,) = {step.value for step in steps_of("Dockerfile.triton", "USER")}
    assert filler.spec["initContainers"][0]["command"][1] == user


@every
def test_variants_are_read_from_a_file_that_the_cluster_renews(overlay):
    api = pod(overlay, "pawfect-api")
    path = api.options(api.main, overlay)["variants"]
    content = named(overlay, "ConfigMap", "pawfect-variants")["data"][path.name]
    variants = parse_variants(content)
    assert variants.variants
    # A file mounted by itself would stay as it was.
    (mount,) = (m for m in api.main["volumeMounts"] if m["name"] == "variants")
    assert (mount["mountPath"], "subPath" in mount) == (str(path.parent), False)
    # Without the hash of its content: the API reads it anew, and is not restarted.
    assert "name: pawfect-variants\n" in rendered(overlay.split("/")[0])


def test_staging_tries_variants_that_production_does_not():
    def told(overlay: str):
        data = named(overlay, "ConfigMap", "pawfect-variants")["data"]
        return parse_variants(data["variants.toml"])

    staged = [variant.name for variant in told("staging").variants if variant.staging]
    assert staged
    assert told("staging").staging.keys
    assert not [variant for variant in told("t4").variants if variant.staging or variant.share]


@pytest.mark.parametrize("overlay", CANARIES)
def test_a_canary_is_the_stable_release_but_for_its_images(overlay):
    stable = overlay.split("/")[0]
    for component in ("server", "api", "worker"):
        old, new = (pod(o, f"pawfect-{component}{suffix}") for o, suffix in
                    ((stable, ""), (overlay, "-canary")))  # fmt: skip
        assert new.labels == old.labels | {"pawfect/track": "canary"}
        assert new.labels[COMPONENT] == component
        values = placeholders()
        turned = json.dumps(old.spec)
        for kind in ("SERVER", "SERVICE"):
            turned = turned.replace(
                f'"{values[f"{kind}_IMAGE"]}"', f'"{values[f"CANARY_{kind}_IMAGE"]}"'
            )
        expected = json.loads(turned)
        # kustomize 5 labels what spreads them too, kustomize 2 does not; either spreads them.
        expected.pop("topologySpreadConstraints", None)
        got = {k: v for k, v in new.spec.items() if k != "topologySpreadConstraints"}
        assert got == expected
    rollout = named(overlay, "Deployment", "pawfect-api-canary")
    assert rollout["spec"]["replicas"] == 1
