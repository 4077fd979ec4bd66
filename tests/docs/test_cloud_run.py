"""The commands of deploy/README.md for Cloud Run, run up to the cloud."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import yaml

from tests.deploy.test_kubernetes_readme import RECORDER
from tests.docs.pages import ROOT, runs
from tests.docs.programs import parsed


@runs("deploy/README.md", ". deploy/cloudrun/placeholders.env", whole=True)
def test_services_are_rendered_whole_and_replaced_by_names_that_are_there(script, tmp_path: Path):
    programs, folder = tmp_path / "programs", tmp_path / "checkout"
    programs.mkdir()
    shutil.copytree(ROOT / "deploy/cloudrun", folder / "deploy/cloudrun")
    (folder / "build").mkdir()
    for name in ("gcloud", "pawfect"):
        (programs / name).write_text(RECORDER.format(kubectl="kubectl"))
        (programs / name).chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    calls = [line.split("\t") for line in (programs / "calls").read_text().splitlines()]
    for _, *words in (call for call in calls if call[0] == "pawfect"):
        parsed(words, folder)
    rendered = {path.stem: path.read_text() for path in (folder / "build").glob("*.yaml")}
    assert all("${" not in text for text in rendered.values())
    replaced = [Path(call[4]).stem for call in calls if call[3:4] == ["replace"]]
    assert replaced == ["verify-weights", "server", "worker", "api"]
    names = {yaml.safe_load(text)["metadata"]["name"] for text in rendered.values()}
    named = {call[4] for call in calls if call[3] in ("execute", "add-iam-policy-binding")}
    assert named == {"pawfect-verify-weights", "pawfect-server"}
    assert named <= names
    members = {call[call.index("--member") + 1] for call in calls if "--member" in call}
    assert {re.search(r":([\w-]+)@", member)[1] for member in members} == {  # type: ignore[index]
        "pawfect-api", "pawfect-worker",
    }  # fmt: skip
