"""No pickle, no remote code, no shell and no evaluated text anywhere in the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from perf.threats.code_scan import ALLOWED, findings, python_files, scan

ROOT = Path(__file__).parents[3]
UNCHECKED = "torch.load without weights_only=True"
BY_NAME = "importlib.import_module by a variable"
REMOTE = "A.from_pretrained with trust_remote_code"


def test_nothing_in_the_tree_runs_code_that_came_as_data():
    assert scan(ROOT) == []


def test_the_tree_is_looked_at_whole():
    files = {path.relative_to(ROOT).as_posix() for path in python_files(ROOT)}
    assert len(files) > 1000
    assert {"ensemble/inpaint/1/model.py", "pawfect/weights/checkpoint.py"} <= files
    assert "model_repository/mask_cleanup/1/model.py" in files
    assert not any("node_modules" in file for file in files)


def test_what_is_allowed_is_there():
    for file, allowed in ALLOWED.items():
        there = {one.what for one in findings((ROOT / file).read_text("utf-8"), file)}
        assert set(allowed) <= there


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import pickle", "import pickle"),
        ("from dill.settings import x", "import dill.settings"),
        ("import joblib as j", "import joblib"),
        ("import torch\ntorch.load(p)", UNCHECKED),
        ("import torch as t\nt.load(p, weights_only=False)", UNCHECKED),
        ("from torch import load\nload(p)", UNCHECKED),
        ("import numpy as np\nnp.load(p, allow_pickle=True)", "numpy.load with allow_pickle"),
        ("import yaml\nyaml.load(t)", "yaml.load without a safe loader"),
        ("import yaml\nyaml.load(t, Loader=yaml.Loader)", "yaml.load without a safe loader"),
        ("from yaml import unsafe_load as u\nu(t)", "yaml.unsafe_load"),
        ("A.from_pretrained(p, trust_remote_code=True)", REMOTE),
        ("A.from_pretrained(p)", "from_pretrained without local_files_only=True"),
        ("eval(t)", "eval"),
        ("exec(t)", "exec"),
        ("__import__(t)", "__import__"),
        ("import os\nos.system(t)", "os.system"),
        ("from os import popen\npopen(t)", "os.popen"),
        ("import subprocess as s\ns.run(t, shell=True)", "subprocess.run with shell"),
        ("import torch\ntorch.hub.load(t, u)", "torch.hub.load"),
        ("from importlib import import_module\nimport_module(t)", BY_NAME),
        ("pack.extractall(p)", "extractall"),
    ],
)
def test_each_way_is_found(code, what):
    assert what in [one.what for one in findings(code, "pawfect/x.py")]


@pytest.mark.parametrize(
    "code",
    [
        "import re\nre.compile(t)",
        "import torch\ntorch.load(p, weights_only=True)",
        "import yaml\nyaml.safe_load(t)\nyaml.load(t, Loader=yaml.SafeLoader)",
        "import numpy as np\nnp.load(p, allow_pickle=False)",
        "import subprocess\nsubprocess.run([a], shell=False)",
        "from importlib import import_module\nimport_module('a.b')",
        "A.from_pretrained(p, local_files_only=True, trust_remote_code=False)",
        "model.eval()",
    ],
)
def test_the_safe_ways_are_none(code):
    assert list(findings(code, "pawfect/x.py")) == []
