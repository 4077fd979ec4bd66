"""The commands of deploy/README.md for the cluster: they run as they stand, up to the cluster."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from harness.container.image import CONTEXT
from pawfect_service.http.callers import ApiKeys
from pawfect_service.variants.file import parse_variants
from pawfect_triton.tls import load_tls
from tests.deploy.cluster import FOLDER, LOADER, kubectl, named, of_kind, placeholders, pods

README = (CONTEXT / "deploy/README.md").read_text()
SECTION = re.search(r"^## Kubernetes$(.*?)^## ", README, re.M | re.S)
# Writes down what it was asked for, and what came on its input; asks no cluster and no cloud.
RECORDER = """#!/bin/sh
here=$(dirname "$0")
if [ "$(basename "$0") $1" = "kubectl kustomize" ]; then exec "{kubectl}" "$@"; fi
printf '%s' "$(basename "$0")" >> "$here/calls"
for word in "$@"; do printf '\\t%s' "$word" >> "$here/calls"; done
echo >> "$here/calls"
case "$*" in *"-f -"*) cat > "$here/applied.yaml";; esac
case "$*" in *projectNumber*) echo 123456789012;; esac
"""


def blocks() -> dict[str, str]:
    """The shell blocks of the section, by the heading that they stand under."""
    assert SECTION is not None
    parts = re.split(r"^### (.+)$", SECTION[1], flags=re.M)[1:]
    found: dict[str, str] = {}
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        for number, block in enumerate(re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)):
            found[heading if not number else f"{heading} {number + 1}"] = block
    return found


@dataclass(frozen=True)
class Desk:
    """A folder with the cluster's files, and programs that write down what they are asked."""

    folder: Path
    programs: Path

    def run(self, block: str) -> list[list[str]]:
        """Run a block; return what was asked of kubectl and gcloud."""
        (self.programs / "calls").unlink(missing_ok=True)
        search = [str(self.programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=self.folder,
            env={**os.environ, "PATH": os.pathsep.join(search), "HF_TOKEN": "hf_test"},
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        calls = self.programs / "calls"
        return [line.split("\t") for line in calls.read_text().splitlines()] if (
            calls.exists()) else []  # fmt: skip


@pytest.fixture
def desk(tmp_path) -> Desk:
    folder, programs = tmp_path / "checkout", tmp_path / "programs"
    shutil.copytree(FOLDER, folder / "deploy/kubernetes")
    (folder / "build").mkdir()
    programs.mkdir()
    for name in ("kubectl", "gcloud"):
        (programs / name).write_text(RECORDER.format(kubectl=kubectl()))
        (programs / name).chmod(0o755)
    return Desk(folder, programs)


def test_the_blocks_are_those_that_are_run_here():
    assert list(blocks()) == [
        "Once", "Deploy, and back", "Deploy, and back 2", "A canary of a release",
        "A canary of a variant",
    ]  # fmt: skip


def test_what_is_made_once_are_the_secrets_that_pods_use_and_the_roles_of_the_accounts(desk):
    calls = desk.run(blocks()["Once"])
    made = desk.folder / "build/tls"
    tls = load_tls(made / "tls.crt", made / "tls.key")
    assert tls is not None
    service = named("t4", "Service", "pawfect-server")["metadata"]
    assert tls.name == f"{service['name']}.{service['namespace']}.svc"
    vouched(made / "ca.crt", tls.cert, tls.key, tls.name)
    ApiKeys((desk.folder / "build/api-keys").read_text().splitlines())
    secrets: dict[tuple[str, str], set[str]] = {}
    for words in (c for c in calls if c[0] == "kubectl" and "secret" in c):
        keys = {Path(w.split("=", 1)[1]).name for w in words if w.startswith("--from-file=")}
        keys |= {w.split("=")[1] for w in words if w.startswith("--from-literal=")}
        secrets[words[2], words[6]] = keys
    assert used_secrets() == secrets
    members = {c[c.index("--member") + 1] for c in calls if c[0] == "gcloud" and "--member" in c}
    subjects = {tuple(member.rsplit("/", 4)[-3::2]) for member in members}
    assert subjects == {
        ("pawfect", "pawfect-api"), ("pawfect", "pawfect-worker"), ("keda", "keda-operator"),
    }  # fmt: skip
    ours = {(a["metadata"]["namespace"], a["metadata"]["name"]) for a in
            of_kind("t4", "ServiceAccount")}  # fmt: skip
    assert {s for s in subjects if s[0] == "pawfect"} <= ours
    assert all("/projects/123456789012/" in member for member in members)


def used_secrets() -> dict[tuple[str, str], set[str]]:
    """The keys of the secrets that pods use, by namespace and name."""
    found: dict[tuple[str, str], set[str]] = {}
    for one in pods("t4"):
        for volume in one.spec.get("volumes", []):
            if "secret" in volume:
                keys = {item["key"] for item in volume["secret"]["items"]}
                found.setdefault((one.namespace, volume["secret"]["secretName"]), set()).update(
                    keys
                )
        for container in one.containers:
            for variable in container.get("env", []):
                if "valueFrom" in variable:
                    key = variable["valueFrom"]["secretKeyRef"]
                    found.setdefault((one.namespace, key["name"]), set()).add(key["key"])
    return found


def vouched(authority: Path, cert: Path, key: Path, name: str) -> None:
    """Shake hands as a caller does who trusts the authority alone."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(cert, key)
    calling = ssl.create_default_context(cafile=str(authority))
    to_server, to_caller = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = calling.wrap_bio(to_caller, to_server, server_hostname=name)
    server = serving.wrap_bio(to_server, to_caller, server_side=True)
    for side in (caller, server, caller):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert caller.getpeercert()


def applied(path: Path) -> list[dict[str, object]]:
    """The objects that were rendered; none with a placeholder left over."""
    text = path.read_text()
    assert "${" not in text
    return [one for one in yaml.load_all(text, Loader=LOADER) if one]


def check_names(calls: list[list[str]], documents: list[dict[str, object]]) -> None:
    """Every object that kubectl is asked about is one that was rendered, where it is asked for."""
    there = {
        (one["metadata"].get("namespace"), one["kind"].lower(), one["metadata"]["name"])  # type: ignore[attr-defined]
        for one in documents
    }
    asked = [(c[c.index("-n") + 1], *word.split("/")) for c in calls for word in c
             if re.fullmatch(r"(deployment|daemonset)/[\w-]+", word)]  # fmt: skip
    assert asked
    assert set(asked) <= there
    for call in (c for c in calls if "--container" in c):
        (name,) = (w.split("/")[1] for w in call if "/" in w)
        (one,) = (p for p in pods("t4") if p.name == name)
        assert call[call.index("--container") + 1] in {c["name"] for c in one.containers}


def test_it_is_deployed_and_taken_back_by_names_that_are_there(desk):
    calls = desk.run(blocks()["Deploy, and back"])
    documents = applied(desk.folder / "build/t4.yaml")
    assert ["kubectl", "apply", "-f", "build/t4.yaml"] in calls
    # The kubelet's to fill in, not the shell's.
    assert (desk.folder / "build/t4.yaml").read_text().count("$(PAWFECT_PROFILE)") == 3
    check_names(calls, documents)
    back = desk.run(blocks()["Deploy, and back 2"])
    check_names(back, documents)
    undone = {word for call in back for word in call if word.startswith("deployment/")}
    assert undone == {f"deployment/pawfect-{name}" for name in ("server", "worker", "api")}


def test_a_canary_of_a_release_is_put_beside_it_and_taken_away(desk):
    calls = desk.run(blocks()["A canary of a release"])
    documents = applied(desk.folder / "build/canary.yaml")
    assert {one["kind"] for one in documents} == {"Deployment"}
    check_names(calls, documents)
    assert [c[1] for c in calls] == ["apply", "-n", "delete"]
    values = placeholders()
    text = (desk.folder / "build/canary.yaml").read_text()
    assert values["CANARY_SERVER_IMAGE"] in text
    assert f"{values['SERVER_IMAGE']}\n" not in text


def test_a_canary_of_a_variant_is_a_share_of_the_users_and_taken_back(desk):
    block = blocks()["A canary of a variant"]
    *forth, back = block.strip().splitlines()
    before = (desk.folder / "deploy/kubernetes/base/variants.toml").read_text()
    desk.run("\n".join(forth))
    documents = applied(desk.programs / "applied.yaml")
    (told,) = (one for one in documents if one["metadata"]["name"] == "pawfect-variants")  # type: ignore[index]
    (variant,) = parse_variants(told["data"]["variants.toml"]).variants  # type: ignore[index]
    assert (variant.name, variant.share) == ("matted", 10)
    desk.run(back)
    after = (desk.folder / "deploy/kubernetes/base/variants.toml").read_text()
    assert parse_variants(after) == parse_variants(before)


def test_other_commands_in_the_text_are_kubectls_and_name_what_is_there():
    assert SECTION is not None
    inline = [" ".join(each.split()) for each in re.findall(r"`(kubectl [^`]+)`", SECTION[1])]
    assert inline
    for command in inline:
        words = shlex.split(command)
        for word in (w for w in words if w.startswith("deployment/")):
            overlay = "t4/canary" if word.endswith("-canary") else "t4"
            assert named(overlay, "Deployment", word.split("/")[1])
