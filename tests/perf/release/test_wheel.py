"""The wheel as a stranger installs it: what it holds and what not, and that it works from there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from harness.local_server import free_ports
from harness.process import LoggedProcess
from pawfect.models import MODELS
from pawfect.profile import profile_names
from perf.release.pins import ROOT

CASES = ROOT / "tests" / "cases"
PAGE = ROOT / "service" / "pawfect_service" / "page" / "index.html"
# What a wheel may hold: the five packages, and what installers read.
PACKAGES = {"pawfect", "pawfect_triton", "pawfect_client", "pawfect_service", "pawfect_export"}
# Weights of any kind, and what only builds or measures.
WEIGHTS = {".safetensors", ".onnx", ".gguf", ".pt", ".pth", ".bin", ".ckpt", ".pkl", ".npz", ".npy"}
STRANGERS = {"tests", "perf", "harness", "deploy", "docs", "web", "weights", "node_modules"}
# Above this something came along: code, configs, typefaces and the page take 5 MB unpacked.
MOST_BYTES = 12_000_000
LISTENS = '"message": "listening"'

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder of a source distribution and a wheel, as `make wheel` builds them."""
    if not PAGE.is_file():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("the page is not built: make page")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(out)]
    subprocess.run([*command, "--target", "sdist", "--target", "wheel"], cwd=ROOT, check=True)
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of a clean environment with the wheel, in a folder that holds nothing else."""
    root = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
    python, folder = root / "venv" / "bin" / "python", root / "work"
    folder.mkdir()
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    locked = ROOT / "requirements" / "sessions.txt"
    for what in (["--require-hashes", "-r", locked], ["--no-deps", wheel]):
        # A PYTHONPATH's packages would count as installed.
        subprocess.run([*install, *what], check=True, env=clean(python.parent))

    def ran(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python.parent / program, *map(str, arguments)],
            cwd=folder,
            env=clean(python.parent),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    ran.programs = python.parent  # type: ignore[attr-defined]
    return ran


def clean(programs: Path) -> dict[str, str]:
    """Variables without this checkout's."""
    own = {"PYTHONPATH", "VIRTUAL_ENV", "PAWFECT_WEIGHTS", "PAWFECT_PROFILE"}
    kept = {name: value for name, value in os.environ.items() if name not in own}
    return {**kept, "PATH": f"{programs}{os.pathsep}{kept['PATH']}"}


def test_the_wheel_holds_the_packages_and_nothing_that_tests_measures_or_weighs(names):
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    for name in names:
        path = Path(name)
        assert path.suffix not in WEIGHTS, name
        # The package has a folder of its own that is called weights: the manifest's.
        inside = set(path.parts) - ({"weights"} if name.startswith("pawfect/weights/") else set())
        assert not inside & STRANGERS, name
        assert "__pycache__" not in name


def test_the_wheel_is_small(wheel):
    with zipfile.ZipFile(wheel) as archive:
        assert sum(info.file_size for info in archive.infolist()) < MOST_BYTES


def test_the_wheel_holds_every_models_folder_every_profile_the_manifest_and_the_page(names):
    kept = {name.removeprefix("pawfect_triton/repositories/") for name in names}
    for model in MODELS:
        (config,) = (name for name in kept if name.endswith(f"/{model}/config.pbtxt"))
        code = config.replace("config.pbtxt", "1/model.py")
        ensemble = (ROOT / Path(config)).read_text("utf-8").find("ensemble_scheduling") >= 0
        assert ensemble or code in kept
    for profile in profile_names():
        assert f"pawfect/profiles/{profile}.toml" in names
    assert "pawfect/weights/manifest.toml" in names
    index = PAGE.read_text("utf-8")
    assert "pawfect_service/page/index.html" in names
    for asset in re.findall(r'(?:src|href)="\.?/?(assets/[^"]+)"', index):
        assert f"pawfect_service/page/{asset}" in names


def test_the_source_distribution_builds_the_same_wheel(built, wheel, tmp_path):
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", str(tmp_path / "again")], cwd=folder, check=True)
    (again,) = (tmp_path / "again").iterdir()
    assert again.name == wheel.name
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert {info.filename: info.CRC for info in first.infolist()} == {
            info.filename: info.CRC for info in second.infolist()
        }


def test_an_installed_wheel_says_its_version_and_lists_weights_and_profiles(run, wheel):
    said = run("pawfect", "--version")
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip().rpartition(" ")[2] == wheel.name.split("-")[1]
    listed = run("pawfect", "weights", "list")
    assert listed.returncode == 0, listed.stderr
    assert "flux-fill-dev" in listed.stdout
    unknown = run("pawfect", "serve", "--profile", "nowhere")
    assert unknown.returncode == 2
    assert all(name in unknown.stderr for name in profile_names())
    assert run("pip", "check").returncode == 0


def test_an_installed_wheel_fills_the_shared_case_as_this_checkout_does(run, tmp_path):
    arguments = ("inpaint", CASES / "photo.png", CASES / "mask.png", "--local", "--seed", "7")
    here = [Path(sys.executable).parent / "pawfect", *arguments, "--out", tmp_path / "here.png"]
    subprocess.run([str(word) for word in here], check=True, capture_output=True)
    there = run("pawfect", *arguments, "--out", tmp_path / "there.png")
    assert there.returncode == 0, there.stderr
    first, second = (np.asarray(Image.open(tmp_path / f"{at}.png")) for at in ("here", "there"))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, np.asarray(Image.open(CASES / "photo.png")))


def test_an_installed_wheel_gathers_every_profiles_model_repository(run, tmp_path):
    code = (
        "import sys; from pathlib import Path; from pawfect.profile import load_profile;"
        "from pawfect_triton.repository import gather;"
        "[gather(load_profile(name), Path(sys.argv[1]) / name) for name in sys.argv[2:]]"
    )
    ran = run("python", "-c", code, tmp_path, *profile_names())
    assert ran.returncode == 0, ran.stderr
    for name in profile_names():
        assert (tmp_path / name / "inpaint" / "config.pbtxt").is_file()


def test_the_api_of_an_installed_wheel_serves_the_page(run, tmp_path):
    (port,) = free_ports(1)
    programs: Path = run.programs
    command = [str(programs / "pawfect"), "api", "--no-auth", "--port", str(port)]
    log = tmp_path / "api.log"
    with LoggedProcess(command, log, folder=tmp_path, environment=clean(programs)) as api:
        api.wait_for(LISTENS)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            index = http.get("/")
            assert index.status_code == 200
            # A word of its own each time; the rest is the built file.
            nonce = re.compile(r'nonce="[^"]+"')
            assert nonce.sub("", index.text) == nonce.sub("", PAGE.read_text("utf-8"))
            assets = re.findall(r'(?:src|href)="\.?/?(assets/[^"]+)"', index.text)
            assert assets
            for asset in assets:
                assert http.get(f"/{asset}").status_code == 200
        assert api.stop() == 0
