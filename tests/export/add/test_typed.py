"""`pawfect weights add` as it is typed: what it prints, how it ends, and what verify says then."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from click.testing import CliRunner

from pawfect.weights.store import Store
from pawfect_export import command
from pawfect_export.command import weights
from tests.export.add.conftest import CONFIG, added, left


@pytest.fixture
def typed(monkeypatch, tmp_path, store):
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(store.root))
    monkeypatch.setattr(command, "Store", lambda root: Store(root, store.entries))

    def run(*words: object) -> Any:
        return CliRunner().invoke(weights, list(map(str, words)))

    return run


def test_added_files_pass_verify(typed, mine):
    run = typed("add", "known", mine / "model.safetensors", mine / "config.json")
    assert (run.exit_code, run.stdout) == (0, "")
    assert run.stderr.endswith("known: whole\n")
    assert typed("verify", "known").stdout == "known: whole\n"


def test_as_and_sha256_are_read_from_the_command_line(typed, mine, store):
    digest = hashlib.sha256(CONFIG).hexdigest()
    words = ("add", "unknown", mine / "config.json", "--as", "vae/config.json")
    assert typed(*words, "--sha256", "abc").exit_code == 2
    run = typed(*words, "--sha256", digest.upper())
    assert run.exit_code == 0, run.stderr
    assert left(store) == ["unknown/vae/config.json"]


def test_a_refusal_ends_with_65_and_one_line_without_a_path(typed, mine, tmp_path):
    run = typed("add", "unknown", mine / "model.safetensors")
    assert run.exit_code == 65
    (line,) = run.stderr.splitlines()
    assert line.startswith("pawfect weights: unknown: expected files whose digest is known")
    assert str(tmp_path) not in line


def test_verify_tells_of_what_nobody_vouches_for(typed, mine, store):
    added(store, "branch", mine, unverified=True)
    assert typed("verify", "branch").stdout == (
        "branch: whole, but nobody vouches for what was added by hand: model.safetensors, "
        "config.json\n"
    )
    added(store, "known", mine, unverified=True)
    assert store.unverified("known") == ()
