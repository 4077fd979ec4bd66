"""`pawfect search` on one photo: what it writes, and how it goes on."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from pawfect.contract.errors import TABLE, ErrorKind, PawfectError
from pawfect.contract.search_report import Candidate
from pawfect_client import load_mask, load_photo
from pawfect_client.search.task_folder import name_of_candidate
from tests.client.search.conftest import MASK, PHOTO, Desk
from tests.client.search.flow import Flow
from tests.pawfect.photo.pictures import png

WRONG = TABLE[ErrorKind.INVALID_ARG].exit_code


def names(desk: Desk) -> set[str]:
    return {path.name for path in desk.task().iterdir()}


def test_a_task_leaves_its_pictures_candidates_metrics_and_page(desk):
    desk.put("cat.png", png(PHOTO[::-1]))
    run = desk("--reference", str(desk.root / "cat.png"), "--character", "Käthe", "--seed=5")
    assert run.exit_code == 0, run.output
    metrics = desk.metrics()
    report = metrics["report"]
    seeds = {one["number"]: one["seed"] for one in report["candidates"]}
    pairs = {f"candidate_{number}_seed{seed}" for number, seed in seeds.items()}
    fixed = {"init.png", "mask.png", "character.png", "result.png", "metrics.json", "page.html"}
    assert names(desk) == fixed | {f"{pair}.{kind}" for pair in pairs for kind in ("png", "json")}
    best = next(one for one in report["candidates"] if one["number"] == report["best"])
    assert (metrics["task_id"], metrics["character_name"]) == ("photo", "Käthe")
    assert metrics["best_seed"] == best["seed"]
    assert metrics["best_phase"] == best["phase"]
    assert metrics["best_potential"] == max(one["potential"] for one in report["candidates"])
    given = best["judgements"][0]["scores"]
    assert metrics["best_scores"] == {
        "local_consistency": given["consistency"],
        "local_quality": given["realism"],
    }
    assert metrics["total_candidates"] == len(report["candidates"]) == 4 + 2 * 2
    assert metrics["complete"] is True


def test_an_edit_is_asked_for_with_the_characters_picture_and_name(desk, flow):
    desk.put("cat.png", png(PHOTO[::-1]))
    edit = ("--proposer=edit", "--hair=character")
    told = desk(*edit, "--character=Rex")
    assert told.exit_code == WRONG
    assert "expected the character's picture with proposer=edit" in told.output
    who = ("--reference", str(desk.root / "cat.png"), "--character=Rex")
    assert desk(*edit, "--k-global=1", *who).exit_code == WRONG
    assert flow.requests == []
    assert desk(*edit, *who).exit_code == 0
    (asked,) = flow.requests
    assert asked["parameters"] == {"proposer": "edit", "hair": "character", "character": "Rex"}
    assert desk.metrics()["report"]["proposer"] == "edit"
    # Another name is another request; of fills the name is no part.
    assert desk(*edit, *who[:2], "--character=Max").exit_code == 0
    assert [one["known"] for one in flow.requests] == [[], []]


def test_pixels_are_those_of_the_candidates(desk):
    assert desk().exit_code == 0
    folder, metrics = desk.task(), desk.metrics()
    np.testing.assert_array_equal(load_photo(folder / "init.png").pixels, PHOTO)
    np.testing.assert_array_equal(load_mask(folder / "mask.png"), MASK)
    won = load_photo(folder / metrics["best_file"]).pixels
    result = load_photo(folder / "result.png").pixels
    np.testing.assert_array_equal(result, won)
    np.testing.assert_array_equal(result[MASK == 0], PHOTO[MASK == 0])
    assert (result[MASK > 0] != PHOTO[MASK > 0]).any()


def test_the_tree_has_each_candidate_once_below_its_parent(desk):
    assert desk("--k-global=3", "--m-global=2", "--k-local=2").exit_code == 0
    metrics = desk.metrics()
    parents = {one["number"]: one["parent"] for one in metrics["report"]["candidates"]}
    told = {}

    def walk(entries, parent):
        for entry in entries:
            assert entry["number"] not in told
            told[entry["number"]] = parent
            walk(entry["children"], entry["number"])

    walk(metrics["tree"], None)
    assert told == parents
    assert len(parents) == 7


def test_a_complete_task_is_left_alone(desk, flow):
    assert desk().exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in desk.task().iterdir()}
    again = desk()
    assert again.exit_code == 0
    assert "1 complete before" in again.stdout
    assert len(flow.requests) == 1
    assert {path: path.stat().st_mtime_ns for path in desk.task().iterdir()} == before


def test_what_its_deadline_ended_goes_on_with_the_candidates_that_are_there(desk, flow):
    flow.late = 3
    short = desk("--deadline=1")
    assert short.exit_code == 0
    assert "1 not to the end" in short.stdout
    assert "ended by deadline: the same command goes on with it" in short.stdout
    assert desk.metrics()["complete"] is False
    flow.late = None
    longer = desk("--deadline=9")
    assert longer.exit_code == 0
    assert "3 of 8 candidates finished before" in longer.stderr
    assert flow.requests[1]["known"] == [0, 1, 2]
    assert sorted(flow.made) == list(range(8))
    whole = desk.metrics()
    assert whole["complete"] is True
    whole_at_once = Desk(desk.root / "other")
    whole_at_once.root.mkdir()
    for name in ("photo.png", "mask.png"):
        whole_at_once.put(name, (desk.root / name).read_bytes())
    assert whole_at_once("--deadline=9").exit_code == 0
    expected = whole_at_once.metrics()
    assert whole["report"].pop("known") == 3
    assert expected["report"].pop("known") == 0
    assert whole == expected


@pytest.mark.parametrize("change", ["--seed=9", "--k-global=5", "--realism=3", "mask"])
def test_a_changed_request_starts_anew(desk, flow, change):
    flow.late = 3
    assert desk().exit_code == 0
    flow.late = None
    if change == "mask":
        desk.put("mask.png", png(MASK[:, ::-1].copy()))
    (desk.task() / "notes.txt").write_text("mine")
    assert desk(*(() if change == "mask" else (change,))).exit_code == 0
    assert flow.requests[1]["known"] == []
    kept = {name_of(one) for one in desk.metrics()["report"]["candidates"]}
    kept |= {name.replace(".png", ".json") for name in kept}
    assert {name for name in names(desk) if name.startswith("candidate")} == kept
    assert (desk.task() / "notes.txt").read_text() == "mine"
    assert desk.metrics()["complete"] is True


def name_of(entry) -> str:
    return f"candidate_{entry['number']}_seed{entry['seed']}.png"


def test_a_candidate_that_failed_has_no_picture_and_is_made_again(desk, flow):
    flow.failing, flow.late = frozenset({1}), 3
    first = desk()
    assert first.exit_code == 0
    assert "candidate 1 (seed 7, seed) failed: <i>no memory</i>" in first.stderr
    assert "candidate_1_seed7.png" not in names(desk)
    failed = desk.metrics()["tree"][1]
    assert (failed["error"], failed["file"]) == ("<i>no memory</i>", None)
    flow.failing, flow.late = frozenset(), None
    assert desk().exit_code == 0
    assert flow.requests[1]["known"] == [0, 2]
    assert "candidate_1_seed7.png" in names(desk)


def spoil(path, text):
    entry = json.loads(path.read_text())
    if text == "nan":
        entry["candidate"]["judgements"][0]["scores"]["consistency"] = float("nan")
    elif text == "potential":
        entry["candidate"]["potential"] = float("inf")
    elif text == "box":
        entry["box"] = [0, 0, 500, 500]
    elif text == "number":
        entry["candidate"]["number"] = "1"
    elif text == "list":
        entry = [entry]
    elif text == "half":
        path.write_text(path.read_text()[:60])
        return
    elif text == "picture":
        path.with_suffix(".png").write_bytes(png(PHOTO))
    elif text == "gone":
        path.with_suffix(".png").unlink()
    elif text == "deep":
        path.write_text("[" * 100_000)
        return
    path.write_text(json.dumps(entry))


@pytest.mark.parametrize(
    "how", ["nan", "potential", "box", "number", "list", "half", "picture", "gone", "deep"]
)
def test_a_candidate_that_cannot_be_read_is_made_again_and_said(desk, flow, how):
    flow.late = 3
    assert desk().exit_code == 0
    spoil(desk.task() / "candidate_1_seed7.json", how)
    flow.late = None
    run = desk()
    assert run.exit_code == 0, run.output
    assert "candidates of an earlier run that cannot be read, made again: 1" in run.stdout
    assert flow.requests[1]["known"] == [0, 2]
    assert sorted(flow.made) == [0, 1, 1, 2, 3, 4, 5, 6, 7]


def test_what_a_killed_run_left_half_written_goes(desk):
    desk.task().mkdir(parents=True)
    left = desk.task() / ".candidate_0_seed0.png.0a0b0c0d.part"
    left.write_bytes(b"half")
    assert desk().exit_code == 0
    assert not left.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--k-global=0",), "k_global: expected from 1 to 64, got 0"),
        (("--k-global=1000",), "k_global: expected from 1 to 64, got 1000"),
        (("--k-local=17",), "k_local: expected from 0 to 16, got 17"),
        (("--k-global=2", "--m-global=3"), "m_global: expected at most k_global, 2, got 3"),
        (("--realism=-1",), "realism: expected from 0.0 to 100.0, got -1.0"),
        (("--identity=nan",), "identity: expected from 0.0 to 100.0, got nan"),
        (
            ("--consistency=0", "--realism=0", "--identity=0"),
            "consistency, realism, identity: expected a weight above 0, got 0 for all",
        ),
        (("--deadline=601",), "deadline_ms: expected from 1 to 600000, got 601000"),
        (("--engine=magic",), "engine: expected one of"),
    ],
)
def test_what_the_contract_refuses_is_said_before_anything_is_read(desk, flow, options, said):
    (desk.root / "photo.png").unlink()
    run = desk(*options)
    assert (run.exit_code, run.stdout) == (WRONG, "")
    assert said in run.stderr
    assert flow.requests == []
    assert not desk.out.exists()


@pytest.mark.parametrize(
    ("options", "photo", "said"),
    [
        ((), False, "Missing arguments 'PHOTO' and 'MASK', or --from-file."),
        (("--task-id", "1"), True, "--task-id and --keys: expected --from-file too"),
        (("--from-file", "x.json"), True, "--from-file: expected it in place of PHOTO"),
        (("--seed=1", "--param", "seed=2"), True, "--seed and --param seed: expected one of them"),
        (("--push",), True, "--push: expected --push-tree too"),
        (("--push", "origin"), True, "--push: expected a remote and a branch, or neither"),
        (("--push-tree", "x"), True, "--push-tree: expected --push too"),
        (("--task-id",), True, "--task-id: expected one or more ids, got none"),
        (("--deadline=inf",), True, "--deadline: expected seconds, got inf"),
        (("--fetch-mib=0",), True, "1<=x<=1024"),
        (("--url=127.0.0.1:1",), True, "expected a server, got --local"),
    ],
)
def test_wrong_usage_is_said(desk, options, photo, said):
    run = desk(*options, photo=photo)
    assert run.exit_code == 2
    assert said in run.stderr


@pytest.mark.parametrize("kind", [ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE, ErrorKind.INTERNAL])
def test_the_exit_code_is_that_of_the_failure(desk, flow, kind):
    flow.refused = PawfectError(kind, "not today")
    run = desk()
    assert run.exit_code == TABLE[kind].exit_code
    assert f"pawfect: task photo: {TABLE[kind].meaning}: not today" in run.stderr
    assert "0 of 1 tasks searched, 1 failed" in run.stdout
    assert "metrics.json" not in names(desk)


def test_a_mask_of_another_size_is_a_clear_error_and_leaves_no_folder(desk):
    desk.put("mask.png", png(MASK[1:]))
    run = desk()
    assert run.exit_code == WRONG
    assert "mask.png: expected the photo's size 96x72, got 96x71" in run.stderr
    assert not desk.task().exists()


def test_nothing_is_said_with_quiet_when_all_is_well_and_the_log_has_each_candidate(desk):
    log = desk.root / "lines.log"
    run = desk("--quiet", "--log", str(log), "--m-global=0")
    assert (run.exit_code, run.output) == (0, "")
    lines = log.read_text().splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("1/1 task photo: candidate 0 (seed 0, undiffused)")
    assert lines[-1].startswith("1/1 task photo: best of 4 is ")


def test_two_runs_never_work_at_one_task(desk):
    desk.task().mkdir(parents=True)
    program = (
        "import fcntl, os, sys; fd = os.open(sys.argv[1], os.O_RDONLY);"
        "fcntl.flock(fd, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(desk.task())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as other:
        assert other.stdout.readline() == b"held\n"
        run = desk()
        other.stdin.close()
    assert run.exit_code == WRONG
    assert "task_photo: expected a folder that no other run works at" in run.stderr
    assert desk().exit_code == 0


def test_a_photo_with_16_bits_alpha_or_grey_goes_on_with_the_same_pixels(desk, flow):
    alpha = np.dstack([PHOTO, np.where(np.arange(96) < 10, 0, 255)[None].repeat(72, 0)])
    grey = PHOTO[..., 0]
    for number, pixels in enumerate((alpha.astype(np.uint8), grey)):
        desk.put("photo.png", png(pixels))
        flow.late = 2
        assert desk(f"--seed={number}").exit_code == 0
        kept = (desk.task() / "candidate_0_seed0.png").read_bytes() if not number else b""
        flow.late = None
        flow.made.clear()
        assert desk(f"--seed={number}").exit_code == 0
        assert flow.made == list(range(2, 8))
        if kept:
            assert (desk.task() / "candidate_0_seed0.png").read_bytes() == kept
    assert Flow.requests[-1]["known"] == [0, 1]


def test_a_name_of_a_candidate_says_number_and_seed():
    assert name_of_candidate(Candidate(3, "local", 17, "seed")) == "candidate_3_seed17.png"
