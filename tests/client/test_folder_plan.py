"""Which mask belongs to which picture, and where each result goes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pawfect.contract.errors import ErrorKind, PawfectError, printable
from pawfect_client.folder_display import failure_lines, shown_folder
from pawfect_client.folder_filling import FilledPicture
from pawfect_client.folder_plan import plan_folder
from pawfect_client.mask_names import PATTERNS, MaskNames, apart

NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1).filter(
    lambda name: name not in (".", "..") and Path(name).name == name
)
FORMS = (
    *("{}", "{}_mask", "{}-mask", "{}.mask", "{} mask", "{}_MASK", "{}_mask001"),
    *("mask_{}", "mask-{}", "mask.{}", "Mask {}"),
)


@given(NAMES, st.sampled_from(FORMS), st.sampled_from([".png", ".JPG", ".tiff"]))
def test_a_mask_of_any_pattern_is_found_for_any_name(stem, form, ending):
    picture = Path("photos") / f"{stem}.jpg"
    for name in (stem, f"{stem}.jpg"):
        mask = Path("masks") / f"{form.format(name)}{ending}"
        assert MaskNames([mask]).of(picture) == mask


@given(NAMES, NAMES)
def test_a_name_that_says_nothing_of_masks_belongs_to_its_own_picture_alone(stem, other):
    if "mask" in f"{stem}{other}".lower() or other in (stem, f"{stem}.jpg"):
        return
    with pytest.raises(PawfectError, match="got none") as caught:
        MaskNames([Path(f"{other}.png")]).of(Path(f"{stem}.jpg"))
    assert caught.value.kind is ErrorKind.INVALID_ARG


def test_every_name_that_the_help_lists_is_found():
    listed = PATTERNS.replace(" or ", ", ").split(", ")
    assert len(listed) == 6
    for name in listed:
        assert MaskNames([Path(name)]).of(Path("dog.jpg")) == Path(name)


def test_the_whole_name_goes_before_others():
    masks = [Path(name) for name in ("dog.png", "dog.jpg.png", "dog.png_mask.png")]
    assert MaskNames(masks).of(Path("dog.jpg")) == masks[1]
    assert MaskNames(masks).of(Path("dog.png")) == masks[2]
    assert MaskNames(masks).of(Path("dog.webp")) == masks[0]


def test_in_one_folder_what_is_marked_as_anothers_mask_is_a_mask():
    files = [Path(name) for name in ("a.jpg", "a_mask.png", "mask_b.png", "mask_c.png", "c.jpg")]
    pictures, masks = apart(files)
    assert [file.name for file in pictures] == ["a.jpg", "mask_b.png", "c.jpg"]
    assert [file.name for file in masks] == ["a_mask.png", "mask_c.png"]


def results(folder: Path, *names: str, kind: str | None = None) -> dict[str, str]:
    for part in ("photos", "masks"):
        (folder / part).mkdir()
    for name in names:
        (folder / "photos" / name).touch()
    plan = plan_folder(folder / "photos", folder / "masks", folder / "out", kind)
    return {
        picture.photo.name: picture.out.message
        if isinstance(picture.out, PawfectError)
        else picture.out.name
        for picture in plan.pictures
    }


def test_results_have_the_pictures_names_in_formats_that_can_be_written(tmp_path):
    assert results(tmp_path, "a.JPG", "b.heic", "c.gif", "d.tif", ".hidden.png", "e.txt") == {
        "a.JPG": "a.JPG",
        "b.heic": "b.jpg",
        "c.gif": "c.png",
        "d.tif": "d.tif",
    }


def test_a_format_that_is_asked_for_names_all_results(tmp_path):
    made = results(tmp_path, "a.jpg", "b.heic", "c.png", kind="PNG")
    assert made == {"a.jpg": "a.png", "b.heic": "b.png", "c.png": "c.png"}


def test_two_results_of_one_name_are_told_apart_or_refused(tmp_path):
    names = ("a.heic", "a.jpg", "b.heic", "b.heif", "c.heic", "c.jpg", "c.heic.jpg")
    made = results(tmp_path, *names)
    assert made["a.heic"] == "a.heic.jpg"
    assert (made["b.heic"], made["b.heif"]) == ("b.jpg", "b.heif.jpg")
    assert made["c.heic"] == "c.heic: expected a result's name that is free, got c.heic.jpg"
    assert all(made[name] == name for name in ("a.jpg", "c.jpg", "c.heic.jpg"))


@given(st.text())
def test_any_text_prints_as_one_line(text):
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    assert shown.encode().decode() == shown
    if text.isprintable():
        assert shown == text


def test_on_a_terminal_a_bar_says_how_many_are_done_and_how_many_failed():
    sink = io.StringIO()
    with shown_folder(Console(file=sink, force_terminal=True, width=100), 3, "filling") as show:
        show(FilledPicture("a.png", "a.png", engine="patch", ms=5.0))
        show(FilledPicture("b.png", None, error=ErrorKind.INTERNAL, message="x"))
        show(FilledPicture("c.png", "c.png"))
    assert "3/3" in sink.getvalue()
    assert "filling, 1 failed" in sink.getvalue()


def test_of_many_failures_the_first_are_shown_and_the_rest_counted():
    failures = [
        FilledPicture(f"{number:03}.png", None, error=ErrorKind.DEADLINE, message="late")
        for number in range(30)
    ]
    lines = list(failure_lines(failures))
    assert lines[0].startswith("pawfect: 30 failed, no answer within the deadline")
    assert lines[1] == "  000.png: late"
    assert lines[-1] == "  and 10 more, which stand in results.jsonl"
    assert len(lines) == 22
