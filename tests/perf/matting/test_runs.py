"""Running removers on a picture, what got worse, and how it is shown."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from perf.matting.baseline import TOLERANCES, as_json, compared, regressions
from perf.matting.page import FIGURES, page
from perf.matting.pictures import Picture
from perf.matting.removers import Cutout, Variant, chosen, distinct
from perf.matting.run import Result, Row, run_picture
from perf.matting.scores import over
from perf.matting.tables import Said, as_markdown, by_group, means, ratios, said

OURS = Variant("u2netp", "standard", "guided")
PLAIN = Variant("u2netp", "standard", "none")
PEER = Variant("rembg", "standard", "matting")


def disc(name: str = "disc", group: str = "laid") -> Picture:
    """A soft disc of one colour on another."""
    rows, columns = np.mgrid[:90, :120]
    away = np.hypot(columns - 60, rows - 45)
    alpha = np.rint(np.clip((30 - away) / 4 + 0.5, 0, 1) * 255).astype(np.uint8)
    colour = np.full((90, 120, 3), (180, 120, 60), np.uint8)
    return Picture(name, group, over(colour, alpha, (30, 60, 160)), alpha, colour)


def perfect(photo: np.ndarray) -> Cutout:
    del photo
    made = disc()
    return Cutout(made.alpha, made.colour, {"subject_found": True, "confidence": 0.75})


def blurred(photo: np.ndarray) -> Cutout:
    made = disc()
    alpha = cv2.GaussianBlur(made.alpha, (0, 0), 5)
    return Cutout(np.asarray(alpha, np.uint8), photo, {"subject_found": True})


def broken(photo: np.ndarray) -> Cutout:
    raise ValueError(f"expected a smaller photo, got {photo.shape[1]} px")


def test_a_remover_that_is_right_scores_zero_and_one_that_blurs_does_not():
    result = run_picture(disc(), {OURS: perfect, PLAIN: blurred}, turns=2)
    right, wrong = result.rows
    assert right.scores is not None
    assert wrong.scores is not None
    assert asdict(right.scores) == {
        "sad": 0.0, "mse": 0.0, "gradient": 0.0, "connectivity": 0.0, "iou": 1.0, "halo": 0.0,
    }  # fmt: skip
    assert wrong.scores.sad > 0.1
    assert wrong.scores.halo is not None
    assert wrong.scores.halo > 5
    assert right.sharpness == right.true_sharpness
    assert wrong.sharpness is not None
    assert wrong.sharpness < right.sharpness
    assert right.seconds > 0


def test_a_remover_that_raises_has_a_row_with_its_error():
    (row,) = run_picture(disc(), {OURS: broken}, turns=2).rows
    assert row.scores is None
    assert row.error == "ValueError: expected a smaller photo, got 120 px"


def test_alpha_of_another_size_is_an_error():
    def half(photo: np.ndarray) -> Cutout:
        return Cutout(np.zeros((45, 60), np.uint8), photo[::2, ::2], {})

    (row,) = run_picture(disc(), {OURS: half}).rows
    assert "expected alpha uint8 [90, 120], got uint8 [45, 60]" in row.error


def stored(rows: list[Row]) -> list[dict]:
    return json.loads(json.dumps([as_json(row) for row in rows]))


def test_what_got_worse_is_named_and_what_did_not_is_not():
    before = list(run_picture(disc(), {OURS: perfect}).rows)
    assert regressions(stored(before), before) == []
    after = list(run_picture(disc(), {OURS: blurred}).rows)
    worse = regressions(stored(before), after)
    assert {one.metric for one in worse} == {
        "sad", "mse", "gradient", "connectivity", "iou", "halo"
    } - ({"iou"} if after[0].scores.iou > 0.995 else set())  # fmt: skip
    assert all((one.picture, one.variant) == ("disc", OURS.name) for one in worse)
    line = next(str(one) for one in worse if one.metric == "sad")
    assert re.fullmatch(
        r"disc, u2netp standard guided: sad 0\.000 -> \d\.\d{3} \(tolerated: 0\.100\)", line
    )
    # Better is no regression.
    assert regressions(stored(after), before) == []


@pytest.mark.parametrize("metric", TOLERANCES)
def test_each_figure_has_its_tolerance(metric):
    (row,) = run_picture(disc(), {OURS: blurred}).rows
    assert row.scores is not None
    limit, value = TOLERANCES[metric], getattr(row.scores, metric)
    step = max(limit.share * value, limit.least) * (1 if limit.better == "lower" else -1)
    kept, lost = (
        replace(row, scores=replace(row.scores, **{metric: value + share * step}))
        for share in (0.9, 1.1)
    )
    assert regressions(stored([row]), [kept]) == []
    assert [one.metric for one in regressions(stored([row]), [lost])] == [metric]


def test_a_picture_that_fails_now_is_a_regression():
    before = list(run_picture(disc(), {OURS: perfect}).rows)
    (worse,) = regressions(stored(before), list(run_picture(disc(), {OURS: broken}).rows))
    assert str(worse) == (
        "disc, u2netp standard guided: ValueError: expected a smaller photo, got 120 px"
    )


def test_what_is_new_is_compared_with_nothing():
    before = list(run_picture(disc(), {OURS: perfect}).rows)
    new = list(run_picture(disc("other"), {OURS: blurred}).rows)
    assert regressions(stored(before), new) == []
    assert compared(stored(before), new) == 0
    assert compared(stored(before), before) == 1


def test_means_leave_failures_out_and_count_them():
    rows = [
        *run_picture(disc(), {OURS: blurred}).rows,
        *run_picture(disc("b"), {OURS: broken}).rows,
    ]
    found = means(rows, OURS.name)
    assert (found.scored, found.errors) == (1, 1)
    assert found.metrics[0] == rows[0].scores.sad
    assert math.isnan(means(rows[1:], OURS.name).metrics[0])
    assert list(by_group(rows)) == ["all", "laid"]


def test_ratios_to_the_peer_are_taken_with_the_same_kind_of_edges():
    both = run_picture(disc(), {OURS: perfect, PEER: blurred}).rows
    sad, gradient, halo, cpu = ratios(both)[OURS.name]
    assert (sad, gradient, halo) == (0.0, 0.0, 0.0)
    assert cpu > 0
    assert ratios(run_picture(disc(), {OURS: perfect}).rows) == {}


def test_the_table_tells_whether_a_subject_is_said_to_be_where_there_is_none():
    rows = [
        *run_picture(disc(), {OURS: perfect}).rows,
        *run_picture(disc("empty", "none"), {OURS: perfect}).rows,
    ]
    one = Said(1, 1, 0.75, 0.75)
    assert said(rows) == {OURS.name: (one, one)}
    assert said(rows[:1]) == {OURS.name: (one, None)}
    text = as_markdown(rows, [], "rembg was left out.")
    assert "| u2netp standard guided | 1 of 1, confidence 0.75 to 0.75 | 1 of 1, " in text
    assert "rembg was left out." in text


def test_one_view_under_several_presets_is_one_variant():
    views = {"one": {"fast": 320, "standard": 320, "high": 320}, "two": {"fast": 1, "high": 2}}
    names = [one.name for one in distinct(views, ("none",))]
    assert names == ["one standard none", "two fast none", "two high none"]


def test_variants_are_picked_by_name():
    assert chosen([OURS, PLAIN], []) == (OURS, PLAIN)
    assert chosen([OURS, PLAIN], [PLAIN.name]) == (PLAIN,)
    with pytest.raises(ValueError, match="expected one of u2netp standard guided"):
        chosen([OURS], ["u2netp standard lasso"])


def pages() -> tuple[Result, str]:
    removers = {OURS: perfect, PLAIN: blurred, PEER: broken}
    result = run_picture(disc("<dog> & cat"), removers)
    source = {"command": "make matting", "date": "today", "machine": "here", "versions": {}}
    return result, page([result], source).decode()


def test_the_page_stands_alone_and_shows_every_variant_photo_and_truth():
    result, text = pages()
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?!data:)""", text.split("<script")[0])
    assert "http" not in text.replace("http-equiv", "")
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
    (shown,) = json.loads(data)["pictures"]
    assert shown["name"] == result.picture.name
    assert set(shown["images"]) == {OURS.name, PLAIN.name, "truth", "photo"}
    assert all(uri.startswith("data:image/webp;base64,") for uri in shown["images"].values())
    assert shown["figures"][OURS.name]["sad"] == 0.0
    assert shown["figures"][PEER.name] == {"error": result.rows[2].error}
    assert "&lt;dog&gt; &amp; cat" in text


def test_the_pages_slider_is_a_range_that_keys_move():
    _, text = pages()
    assert re.search(
        r'<input type="range" min="0" max="100" step="1" value="50" aria-label="', text
    )
    for name, _, _, _ in FIGURES:
        assert f'"{name}"' in text
