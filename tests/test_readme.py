"""The examples of the README and of docs/calling.md, run as a reader would; tables of pages."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawfect.contract.errors import TABLE
from pawfect.contract.find import FindMasksParams
from pawfect.contract.parameters import InpaintFileParams
from pawfect.contract.refine import RefineParams
from pawfect.contract.report import Report
from pawfect.contract.scores import RemoteJudgeParams
from pawfect.contract.search import PRESETS, SearchParams
from pawfect.judges.rubric import rubric
from pawfect.judges.settings import CLIENTS, read_settings
from pawfect.judges.settings import VARIABLES as JUDGE_VARIABLES
from pawfect.local import inpaint_local
from pawfect.models import MODELS
from pawfect.refine.remote_settings import VARIABLES
from tests.docs.examples import pawfect
from tests.docs.pages import blocks_of, runs
from tests.server.conftest import SMALL, SMALL_HOLE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CALLING = "docs/calling.md"


def blocks(language: str) -> list[str]:
    """The blocks of the README and of the page about calling it, in this order."""
    pages = ("README.md", CALLING)
    return [one.text for page in pages for one in blocks_of(page) if one.language == language]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Lossless, so that the server's answer can be compared with the library's.
    Image.fromarray(SMALL).save(tmp_path / "photo.jpg", format="PNG")
    Image.fromarray(SMALL_HOLE).save(tmp_path / "mask.png")
    return tmp_path


def pointed(code: str, server) -> str:
    """The example with this server's ports in place of the default ones."""
    at = server.endpoints
    return code.replace("127.0.0.1:8001", at.grpc).replace(
        "http://127.0.0.1:8000", f"http://{at.host}:{at.http_port}"
    )


def through_jpeg(image: np.ndarray) -> np.ndarray:
    """The image after Pillow's own JPEG of the quality that the client documents."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=95, subsampling=0)
    with Image.open(file) as again:
        return np.array(again)


@pytest.mark.parametrize("code", blocks("python"), ids=["pawfect_client", "tritonclient", "files"])
def test_python_examples_fill_the_photo(code, server, folder):
    script = pointed(code, server)
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, timeout=60)
    (written,) = folder.glob("filled.*")
    with Image.open(written) as image:
        filled, kind = np.array(image), image.format
    expected = inpaint_local(SMALL, SMALL_HOLE, seed=7).image
    if kind == "JPEG":
        expected = through_jpeg(expected)
    np.testing.assert_array_equal(filled, expected)


@runs(CALLING, "models/inpaint/infer", whole=True)
def test_the_curl_example_answers_with_a_report(script, server, folder):
    search_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-euc", pointed(script, server)],
        cwd=folder, check=True, timeout=60, capture_output=True,
        env={**os.environ, "PATH": search_path},
    )  # fmt: skip
    (output,) = json.loads(ended.stdout)["outputs"]
    report = json.loads(output["data"][0])
    assert (report["engine"], report["seed"], report["width"]) == ("patch", 7, 80)


@runs(CALLING, "models/inpaint_file/infer", whole=True)
def test_the_curl_example_of_files_writes_the_file(script, server, folder):
    subprocess.run(["bash", "-euc", pointed(script, server)], cwd=folder, check=True, timeout=60)
    with Image.open(folder / "filled.jpg") as image:
        filled = np.array(image)
    np.testing.assert_array_equal(filled, inpaint_local(SMALL, SMALL_HOLE, seed=7).image)


@runs("README.md", "inpaint photo.jpg")
def test_the_shell_example_fills_the_photo(script, server, folder):
    # The installed program; what the other tests run in this process is its group of commands.
    command = f"{script.replace('.venv/bin', str(Path(sys.executable).parent))}"
    subprocess.run(
        [*command.split(), "--url", server.endpoints.grpc], cwd=folder, check=True, timeout=60
    )
    with Image.open(folder / "filled.jpg") as image:
        assert image.size == (80, 64)
    assert json.loads((folder / "report.json").read_text())["engine"] == "patch"


@runs(CALLING, "cutout photo.jpg")
def test_the_shell_example_cuts_the_photo_out(script, server, folder):
    pawfect(script, folder, "--url", server.endpoints.grpc)
    with Image.open(folder / "cut.png") as image:
        assert (image.size, image.mode) == ((80, 64), "RGBA")
    assert json.loads((folder / "report.json").read_text())["output"] == "rgba"


@runs(CALLING, "inpaint photos/")
def test_the_example_of_a_folder_without_a_server_fills_it(script, folder):
    for name, pixels in (("photos/dog.png", SMALL), ("masks/mask_dog.png", SMALL_HOLE)):
        (folder / name).parent.mkdir()
        Image.fromarray(pixels).save(folder / name)
    pawfect(script, folder)
    with Image.open(folder / "filled" / "dog.png") as image:
        np.testing.assert_array_equal(image, inpaint_local(SMALL, SMALL_HOLE).image)
    (line,) = (folder / "filled" / "results.jsonl").read_text().splitlines()
    assert json.loads(line)["error"] is None


def test_the_tables_name_every_model_parameter_and_error():
    contract = README + (ROOT / "docs" / "contract.md").read_text()
    for name in (*MODELS, *InpaintFileParams.__dataclass_fields__):
        assert f"`{name}`" in contract, name
    for kind, row in TABLE.items():
        again = "yes" if row.retry else "no"
        line = (
            f"| `{kind.value}` | {row.triton_code} | {row.http_status} | {row.queue_action.value} "
            f"| {again} | {row.exit_code} |"
        )
        assert line in README, line


def test_the_page_of_the_contract_has_every_entry_of_a_report():
    page = (ROOT / "docs" / "contract.md").read_text()
    rows = page[page.index("## REPORT") : page.index("## Giving up")].splitlines()
    told = {
        name for row in rows if "|" in row for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert told == set(Report.__dataclass_fields__)


def test_the_page_of_the_search_names_every_parameter_and_preset():
    page = (ROOT / "docs" / "search.md").read_text()
    for name in (*SearchParams.__dataclass_fields__, *PRESETS):
        assert f"`{name}`" in page, name
    for name in PRESETS["eacps"].__dataclass_fields__:
        few, many = (f"{getattr(PRESETS[preset], name):g}" for preset in ("eacps", "photoreal"))
        assert re.search(rf"\| `{name}` \|.*\| {few}; {many} \|", page), name


def test_the_page_of_masks_by_words_names_every_parameter():
    page = (ROOT / "docs" / "words.md").read_text()
    for name in FindMasksParams.__dataclass_fields__:
        assert f"| `{name}` |" in page, name


def test_the_page_of_refine_names_every_parameter_and_variable():
    page = (ROOT / "docs" / "refine.md").read_text()
    for name in (*RefineParams.__dataclass_fields__, *VARIABLES):
        assert f"| `{name}` |" in page, name


def test_the_page_of_judges_names_every_parameter_variable_and_model_with_its_price():
    page = (ROOT / "docs" / "judges.md").read_text()
    for name in (*RemoteJudgeParams.__dataclass_fields__, *JUDGE_VARIABLES):
        assert f"| `{name}` |" in page, name
    for judge in CLIENTS:
        settings = read_settings(judge, {f"PAWFECT_{judge.upper()}_KEY": "key"})
        for model in settings.models:
            assert f"| `{model.name}` | {model.usd_per_call:g} |" in page, model
        allowed = settings.allowance
        assert f"| `{allowed.variable}` | {allowed.requests} |" in page
        assert f"| `{allowed.usd_variable}` | {allowed.usd:g} |" in page
    for name, flaw in rubric().flaws.items():
        caps = ", ".join(f"{axis} {cap:g}" for axis, cap in flaw.caps.items())
        assert f"| {name.replace('_', ' ').replace('cgi', 'CGI')} | {caps} |" in page, name


def defined_names(path: Path) -> set[str]:
    """The functions, classes and constants of a module."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def test_things_are_where_the_page_of_the_architecture_says():
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page[page.index("| what | file | name |") : page.index("| folder | what |")]
    rows = [line.strip("|").split("|") for line in table.splitlines() if "](" in line]
    assert len(rows) >= 40
    for _, files, names in rows:
        paths = re.findall(r"\]\(([^)]+)\)", files)
        there = set().union(*(defined_names(ROOT / "docs" / path) for path in paths))
        listed = set(re.findall(r"`(\w+)`", names))
        assert listed, files
        assert listed <= there, f"{paths}: {listed - there}"
