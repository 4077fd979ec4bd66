"""`pawfect swap` from its pictures to its folder, by the tiny networks of a whole chain."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pawfect.photo.xmp import source_type
from pawfect_client import load_photo
from pawfect_client.search.swap_command import swap
from tests.pawfect.identity.photos import astronaut, boxes_by_hand, overlap, t1
from tests.pawfect.photo.pictures import png


@pytest.mark.slow
def test_a_swap_changes_the_face_that_is_meant_and_nothing_else(neural_server, tmp_path):
    family = t1()
    x0, y0, x1, y1 = meant = boxes_by_hand("t1")[2]
    mask = np.zeros(family.shape[:2], np.uint8)
    mask[int(y0) : int(y1), int(x0) : int(x1)] = 255
    for name, pixels in (("family", family), ("anna", astronaut()), ("mask", mask)):
        (tmp_path / f"{name}.png").write_bytes(png(pixels))
    files = [str(tmp_path / f"{name}.png") for name in ("family", "anna", "mask")]
    done = CliRunner().invoke(
        swap,
        [
            *files[:2], "--mask", files[2], "-o", str(tmp_path / "out"), "--consent",
            "--caller=Julia", "--k-global=2", "--m-global=1", "--k-local=1", "--seed=3",
            "--deadline=300", "--url", neural_server.endpoints.grpc,
        ],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    folder = tmp_path / "out" / "task_family"
    report = json.loads((folder / "metrics.json").read_text())["report"]
    told = report["swap"]
    assert (told["caller"], told["found"], told["kind"]) == ("Julia", 6, "insightface")
    assert overlap(np.array(told["box"]), meant) > 0.5
    assert [one["variation"] for one in report["candidates"]][:2] == ["undiffused", "refined"]
    assert all(one["error"] is None for one in report["candidates"]), report["candidates"]
    made = [folder / "result.png", *folder.glob("candidate_*.png")]
    assert len(made) == 1 + len(report["candidates"])
    for path in made:
        written = load_photo(path)
        assert source_type(written.xmp) == "compositeWithTrainedAlgorithmicMedia"
        rows, columns = np.nonzero((written.pixels != family).any(axis=2))
        # A face's box is smaller than the face, and the tiny network changes little of it.
        margin = (x1 - x0) / 2
        assert rows.size
        assert y0 - margin < rows.min() < rows.max() < y1 + margin
        assert x0 - margin < columns.min() < columns.max() < x1 + margin
    with Image.open(folder / "character.png") as character:
        assert character.size == (512, 512)
