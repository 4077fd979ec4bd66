"""The networks beside each other."""

from __future__ import annotations

from perf.matting.networks import PICTURES, as_markdown
from perf.matting.pictures import GROUPS, names
from perf.matting.run import Row
from perf.matting.scores import Scores


def row(picture: str, network: str, sad: float, cpu: float) -> Row:
    scores = Scores(sad, 1.0, 2 * sad, 1.0, 0.9, 4.0)
    name = f"{network} standard guided"
    return Row(picture, "laid", name, scores, seconds=cpu / 2, cpu_seconds=cpu)


def test_the_pictures_are_of_every_group_with_a_whole_subject():
    assert set(PICTURES) <= set(names())
    groups = {name.split("_")[0] for name in PICTURES}
    assert groups == set(GROUPS) - {"whole", "none"}


def test_means_by_network_come_before_each_picture():
    rows = [
        row("a", "large", 2.0, 5.0),
        row("a", "small", 4.0, 1.0),
        row("b", "large", 3.0, 6.0),
        row("b", "small", 6.0, 2.0),
    ]
    text = as_markdown(rows)
    assert "| large | 2 | 5.0 | 2.5 | 0.900 | 4.0 | 2.75 | 5.50 |" in text
    assert "| small | 2 | 10.0 | 5.0 | 0.900 | 4.0 | 0.75 | 1.50 |" in text
    assert "| b | small | 12.0 | 6.0 | 0.900 | 2.00 |" in text
