"""`make sbom`: the bill of materials in CycloneDX, and the list of licences.

    python -m perf.release.sbom [--out build/sbom]

One CycloneDX 1.6 file per set of requirements, one of the page, one of the weights (as
machine-learning models), and licences.md over all of them. A licence that licences.toml does not
allow ends it with exit code 1.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import is_supported_id
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from pawfect import __version__
from perf.publish import table
from perf.release.licences import WEIGHTS, Part, check, problems_of_expression
from perf.release.parts import PAGE, PAGE_DEV, PYPI, all_parts
from perf.release.pins import ROOT, SETS, SHIPPED

# Files of one release in one version have the same serial number whenever they are made.
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/pawfect")
GROUPS: Final = (*SETS, PAGE, PAGE_DEV, WEIGHTS)


def bom_of(group: str, parts: Iterable[Part]) -> str:
    """Return a group's bill of materials as CycloneDX 1.6 JSON, held to the schema.

    Args:
        group: one of GROUPS.
        parts: of which those of the group are taken.

    Raises:
        ValueError: it would not be valid.
    """
    components = [_component(part) for part in parts if group in part.sets]
    itself = Component(
        name=f"pawfect-{group}",
        version=__version__,
        type=ComponentType.APPLICATION,
        bom_ref=f"pawfect-{group}",
    )
    bom = Bom(components=components)
    bom.serial_number = uuid.uuid5(_NAMESPACE, f"{group} {__version__}")
    bom.metadata.component = itself
    bom.register_dependency(itself, components)
    text: str = JsonV1Dot6(bom).output_as_string(indent=1)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"{group}: expected CycloneDX 1.6, got {str(error).splitlines()[0]}")
    return text


def _component(part: Part) -> Component:
    kind = ComponentType.LIBRARY
    if part.kind == WEIGHTS:
        kind = ComponentType.MACHINE_LEARNING_MODEL
    licences = [_licence(part)] if part.licence else []
    return Component(
        name=part.name,
        version=part.version,
        type=kind,
        bom_ref=f"{part.kind}:{part.name}@{part.version}",
        licenses=licences,
        purl=None if part.kind == WEIGHTS else _purl(part),
        hashes=_hashes(part),
        properties=[Property(name="pawfect:licence", value=part.about)] if part.about else [],
    )


def _hashes(part: Part) -> list[HashType]:
    """Return the digest of a part that is one file; of several, none is the component's own."""
    if len(part.hashes) != 1:
        return []
    return [HashType(alg=HashAlgorithm.SHA_256, content=part.hashes[0])]


def _licence(part: Part) -> DisjunctiveLicense | LicenseExpression:
    licence = str(part.licence)
    if is_supported_id(licence):
        return DisjunctiveLicense(id=licence)
    # The weights' manifest names licences that have no identifier.
    if part.kind == WEIGHTS or problems_of_expression(licence):
        return DisjunctiveLicense(name=licence)
    return LicenseExpression(licence)


def _purl(part: Part) -> PackageURL:
    namespace, _, name = part.name.rpartition("/")
    kind = "pypi" if part.kind == PYPI else "npm"
    return PackageURL(kind, namespace or None, name, part.version)


def licence_list(parts: Iterable[Part]) -> str:
    """Return a page with every part's licence and where the part is."""
    rows = [
        (part.kind, part.name, part.version, part.licence or "unknown", _where(part), part.about)
        for part in parts
    ]
    head = ("kind", "name", "version", "licence", "where", "note")
    return f"# Licences of pawfect {__version__}\n\n{table(head, rows)}"


def _where(part: Part) -> str:
    """Return a part's sets, those that reach a user first."""
    return ", ".join(sorted(part.sets, key=lambda name: (name not in SHIPPED, name)))


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / "build" / "sbom",
    help="Folder for the files.",
)
def main(out: Path) -> None:
    """Write the bills of materials and the list of licences."""
    parts = all_parts()
    out.mkdir(parents=True, exist_ok=True)
    for group in GROUPS:
        (out / f"{group}.cdx.json").write_text(bom_of(group, parts), "utf-8")
    (out / "licences.md").write_text(licence_list(parts), "utf-8")
    click.echo(f"{len(GROUPS)} bills of materials and licences.md of {len(parts)} parts")
    if problems := check(parts):
        click.echo("\n".join(problems), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
