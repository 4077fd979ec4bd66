"""The bills of materials: valid CycloneDX, complete against the locks, the same each time."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from pawfect.weights.manifest import manifest
from perf.release import sbom
from perf.release.licences import Part
from perf.release.parts import PAGE, all_parts
from perf.release.pins import SETS, pins_of


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The command's files by name, and what it said."""
    out = tmp_path_factory.mktemp("sbom")
    ran = CliRunner().invoke(sbom.main, ["--out", str(out)])
    assert ran.exit_code == 0, ran.output
    return {path.name: path.read_text("utf-8") for path in out.iterdir()}


def components(written, group):
    return json.loads(written[f"{group}.cdx.json"])["components"]


@pytest.mark.parametrize("group", SETS)
def test_a_sets_bill_names_what_its_locked_files_install_with_licences(written, group):
    found = components(written, group)
    # CycloneDX's own form of a package: one version, one address, one licence or expression.
    assert {(each["name"], each["version"]) for each in found} == {
        (pin.name, pin.version) for pin in pins_of(SETS[group])
    }
    for each in found:
        # An epoch's `!` is escaped.
        version = quote(each["version"], safe="")
        assert each["purl"] == f"pkg:pypi/{each['name']}@{version}"
        assert len(each["licenses"]) == 1


def test_weights_are_machine_learning_models_with_the_manifests_licences(written):
    found = {each["name"]: each for each in components(written, "weights")}
    assert set(found) == set(manifest())
    for name, entry in manifest().items():
        assert found[name]["type"] == "machine-learning-model"
        licence = found[name]["licenses"][0]["license"]
        assert entry.licence in (licence.get("id"), licence.get("name"))
        if not entry.commercial and entry.kind != "built":
            assert found[name]["properties"][0]["value"]


def test_the_pages_bill_has_what_is_served_and_not_what_builds_it(written):
    served = {each["name"] for each in components(written, PAGE)}
    assert {"react", "konva", "@mui/material"} <= served
    assert not served & {"vitest", "@biomejs/biome", "axe-core"}
    scoped = next(each for each in components(written, PAGE) if each["name"] == "@mui/material")
    assert scoped["purl"].startswith("pkg:npm/%40mui/material@")


def test_the_list_of_licences_has_a_line_for_every_part(written):
    lines = [line for line in written["licences.md"].splitlines() if line.startswith("| ")]
    assert len(lines) == 1 + len(all_parts())
    assert "unknown" not in written["licences.md"]


def test_a_part_without_an_allowed_licence_ends_the_command_and_is_named(tmp_path, monkeypatch):
    planted = Part("pypi", "planted", "1", "AGPL-3.0-only", frozenset({"server"}))
    monkeypatch.setattr(sbom, "all_parts", lambda: (planted,))
    ran = CliRunner().invoke(sbom.main, ["--out", str(tmp_path)])
    assert ran.exit_code == 1
    assert "pypi planted: AGPL-3.0-only is not allowed in server" in ran.stderr
