"""The measured pictures and their judges; a dozen of them repaired, where typefaces can be had."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pawfect.lettering.faces import faces
from perf.lettering import __main__ as command
from perf.lettering.run import Row, changed_outside
from perf.lettering.signs import COUNT, TEXTS, is_development, sign
from perf.lettering.tables import as_markdown, goals, summary
from perf.lettering.tesseract import MENDING, version
from perf.lettering.typefaces import BASELINE, DEVELOPMENT, UNSEEN, fetch


def row(index: int, **given: object) -> Row:
    usual: dict[str, object] = {
        "index": index, "half": "development", "thing": "mug", "ground": "glaze",
        "typeface": "lato",
        "old": "MAX", "new": "SAM", "on_truth": "SAM", "on_repaired": "SAM",
        "on_written_over": "SAM", "changed_outside": 0, "look": 0.1, "look_written_over": 0.3,
        "look_photo": 0.1, "font": "open-sans 600", "likeness": 0.9, "reused": "AM",
        "read_again": "SAM", "tries": 1, "fits": True, "cpu_seconds": 2.0,
    }  # fmt: skip
    return Row(**usual | given)  # type: ignore[arg-type]


def test_no_measured_typeface_is_bundled_and_no_half_sees_the_others() -> None:
    bundled = {face.name for face in faces()}
    measured = [face.family for face in (*DEVELOPMENT, *UNSEEN, BASELINE)]
    assert not bundled & set(measured)
    assert not {face.family for face in DEVELOPMENT} & {face.family for face in UNSEEN}
    assert sum(map(is_development, range(COUNT))) == COUNT / 2
    assert all(old != new for old, new in TEXTS)


def test_goals_are_judged_beside_the_truth_and_the_box_written_over() -> None:
    rows = [row(k) for k in range(19)]
    one_wrong = [*rows, row(19, on_repaired="SAN")]
    assert [met for *_, met in goals(one_wrong)] == [True, True, True]
    two_wrong = [*one_wrong, row(20, on_repaired="5AM")]
    assert [met for *_, met in goals(two_wrong)] == [False, True, True]
    # What cannot be read on the truth either is no fault of the repair.
    assert goals([*rows, row(19, on_truth="S", on_repaired="S")])[0][2] == "100%"
    assert goals([row(0, look=0.2)])[1][3] is False
    assert goals([row(0, changed_outside=1)])[2][3] is False
    assert summary(rows).look == pytest.approx(0.1)


def test_the_page_names_what_was_misread() -> None:
    page = as_markdown([row(0), row(1, on_repaired="SAN", half="unseen")])
    assert "## Development, 1 pictures" in page
    assert "| 1 | unseen | lato | SAM | SAN |" in page


def _lacking() -> str | None:
    """What the measured pictures need and is not here; None where all of it is."""
    if version() is None:
        return f"tesseract is not installed; {MENDING}"
    needed = (*DEVELOPMENT, *UNSEEN, BASELINE)
    if shutil.which("npm") is None and not all(face.file.is_file() for face in needed):
        return "npm is not installed, which fetches the typefaces"
    try:
        fetch()
    except RuntimeError as error:
        return str(error)
    return None


def test_the_page_says_how_many_are_nearer_and_judges_no_part_of_the_pictures() -> None:
    rows = [row(0, look=0.05, look_photo=0.1), row(1, look=0.2, look_photo=0.1)]
    page = as_markdown(rows)
    assert "nearer to the truth than the wrong text: 1 of 2" in page
    assert "| 100% | not yet |" in page
    assert "| yes |" not in page
    whole = as_markdown([row(k, look=0.1, look_written_over=0.3) for k in range(COUNT)])
    assert "| 100% | yes |" in whole


@pytest.mark.skipif(not DEVELOPMENT[0].file.is_file(), reason="the typefaces are not fetched")
def test_what_changed_is_judged_by_where_letters_are() -> None:
    picture = sign(0)
    assert changed_outside(picture, picture.truth) == 0
    ys, xs = np.nonzero(picture.inked)
    far = picture.photo.copy()
    far[0, 0] ^= 255
    near = picture.photo.copy()
    near[ys[0], xs[0]] ^= 255
    assert changed_outside(picture, far) == 1
    assert changed_outside(picture, near) == 0


@pytest.mark.slow
def test_a_dozen_signs_are_repaired_as_well_as_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = _lacking()
    if lacking is not None:
        pytest.skip(lacking)
    monkeypatch.setattr(command, "BUILD", tmp_path)
    done = CliRunner().invoke(command.main, ["--short", "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "lettering.md").is_file()
    assert np.any([line.startswith("results in") for line in done.output.splitlines()])
