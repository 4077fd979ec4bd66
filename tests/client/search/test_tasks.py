"""Task files: what is read, what is refused, and what one broken entry costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawfect.contract.errors import TABLE, ErrorKind, PawfectError
from pawfect_client.search.arguments import joined
from pawfect_client.search.pictures import PictureFiles
from pawfect_client.search.tasks import BrokenTask, Task, read_keys, read_tasks
from tests.refusals import refusal

WRONG = TABLE[ErrorKind.INVALID_ARG].exit_code


def entry(id_, **more):
    return {
        "id": id_,
        "character_name": "Rex",
        "init_image_url": "photo.png",
        "mask_image_url": "mask.png",
        "character_image_url": "https://example.org/rex.png",
        **more,
    }


def put(folder: Path, content) -> Path:
    path = folder / "project-label.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_keys_stand_flat_or_under_data_and_files_count_from_the_task_file(tmp_path):
    flat = entry(7)
    nested = {"id": 8, "data": {key: it for key, it in entry(8).items() if key != "id"}}
    first, second = read_tasks(put(tmp_path, [flat, {**nested, "annotations": []}]), {})
    assert first == Task(
        7, tmp_path / "photo.png", tmp_path / "mask.png", "https://example.org/rex.png", "Rex"
    )
    assert second == Task(8, first.photo, first.mask, first.reference, first.character)
    assert second.folder == "task_8"


@pytest.mark.parametrize("key", ["init_image_url", "mask_image_url", "character_image_url"])
@pytest.mark.parametrize("place", ["../own.png", "sub/../../own.png", "link.png", "absolute"])
def test_a_task_file_chooses_no_file_outside_of_its_folder(tmp_path, key, place):
    folder = tmp_path / "tasks"
    folder.mkdir()
    (tmp_path / "own.png").write_bytes(b"")
    (folder / "link.png").symlink_to(tmp_path / "own.png")
    named = str(tmp_path / "own.png") if place == "absolute" else place
    path = put(folder, [entry(1, **{key: named})])
    (broken,) = read_tasks(path, {})
    assert isinstance(broken, BrokenTask)
    assert "expected a file in the task file's folder" in broken.error.message
    assert str(tmp_path) not in broken.error.message
    (task,) = read_tasks(path, {}, outside=True)
    assert isinstance(task, Task)


@pytest.mark.parametrize("id_", ["../up", "a/b", "a\\b", "/etc", "a\nb", " a", "x" * 201])
def test_an_id_names_one_folder_and_no_other(tmp_path, id_):
    (broken,) = read_tasks(put(tmp_path, [entry(id_)]), {})
    assert isinstance(broken, BrokenTask)
    assert "without / and" in broken.error.message


def test_a_device_in_place_of_a_picture_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("pawfect.photo.image_file.MAX_FILE_BYTES", 2**20)
    (tmp_path / "photo.png").symlink_to("/dev/zero")
    files = PictureFiles(tmp_path)
    said = refusal(ErrorKind.INVALID_ARG, files.read, tmp_path / "photo.png")
    assert said == "photo.png: expected a regular file, got none"


def test_other_names_of_keys_and_missing_characters(tmp_path):
    path = put(tmp_path, [{"task": "a b", "image": "HTTP://x/p.png", "mask_image_url": "m.png"}])
    (task,) = read_tasks(path, read_keys("id=task, init_image_url=image"))
    assert task == Task("a b", "HTTP://x/p.png", tmp_path / "m.png")


def test_a_task_may_say_for_itself_what_is_proposed_and_whose_hair_stays(desk, flow):
    own = {"character_image_url": "photo.png"}
    run = desk.tasks(
        [
            entry(1, **own, proposer="edit", hair="character"),
            entry(2, **own),
            entry(3, **own, proposer="edit", character_name=None),
            entry(4, **own, proposer="edit", character_name="K" * 81),
            entry(5, character_image_url=None, proposer="edit"),
            entry(6, **own, proposer="swap"),
        ],
        "--seed=3",
    )
    asked = [one["parameters"] for one in flow.requests]
    assert asked == [
        {"seed": 3, "proposer": "edit", "hair": "character", "character": "Rex"},
        {"seed": 3},
        {"seed": 3, "proposer": "edit"},
    ]
    assert run.exit_code == WRONG
    for said in (
        "task 4: failed: character: expected 1 to 80 printable characters",
        "task 5: failed: reference: expected the character's picture with proposer=edit, got none",
        "task 6: failed: consent: expected true, by which the caller says",
    ):
        assert said in run.output


def test_tasks_are_taken_in_the_order_they_are_asked_for(tmp_path):
    path = put(tmp_path, [entry(1), entry(2), entry("3")])
    assert [task.id for task in read_tasks(path, {}, ["3", "1", "3"])] == ["3", 1]
    assert [task.id for task in read_tasks(path, {})] == [1, 2, "3"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"id": 1', "project-label.json: expected JSON in UTF-8"),
        ("[" * 100_000, "project-label.json: expected JSON in UTF-8"),
        ("{}", "expected a list of tasks, as Label Studio exports it, got dict"),
        ("[]", "expected a list of tasks, as Label Studio exports it, got an empty one"),
        ([entry(1), entry(2), entry("1")], "expected each id once, got '1' 2 times"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(tmp_path, content, said):
    path = put(tmp_path, content)
    assert said in refusal(ErrorKind.INVALID_ARG, read_tasks, path, {})


def test_a_file_that_is_not_there_and_an_id_that_is_not_in_it(tmp_path):
    gone = tmp_path / "gone.json"
    assert "gone.json: expected a readable file" in refusal(
        ErrorKind.INVALID_ARG, read_tasks, gone, {}
    )
    path = put(tmp_path, [entry(number) for number in range(12)])
    said = refusal(ErrorKind.INVALID_ARG, read_tasks, path, {}, ["99"])
    assert said == (
        "--task-id: expected ids of project-label.json, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..., got '99'"
    )


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"init_image_url": None}, "init_image_url: expected a URL or a file, got nothing"),
        ({"mask_image_url": 4}, "mask_image_url: expected a text, got 4"),
        ({"mask_image_url": " "}, "mask_image_url: expected a text, got ' '"),
        ({"init_image_url": "a\0b"}, "init_image_url: expected a text"),
        ({"init_image_url": "file:///etc/passwd"}, "URL: expected http:// or https://"),
        ({"mask_image_url": "s3://bucket/m.png"}, "got s3:"),
        ({"character_image_url": "ftp://x/y"}, "got ftp:"),
        ({"id": True}, "id: expected an integer, or a text"),
        ({"id": "../up"}, "id: expected an integer, or a text"),
        ({"id": "a\nb"}, "id: expected an integer, or a text"),
        ({"id": "x" * 201}, "id: expected an integer, or a text"),
        ({"id": None}, "id: expected an integer, or a text of at most 200 bytes"),
    ],
)
def test_a_broken_entry_is_an_error_of_its_own(tmp_path, broken, said):
    good, bad = read_tasks(put(tmp_path, [entry(1), entry(2, **broken)]), {})
    assert isinstance(good, Task)
    assert isinstance(bad, BrokenTask)
    assert said in bad.error.message
    assert bad.error.kind is ErrorKind.INVALID_ARG


def test_an_entry_that_is_no_object_is_named_by_its_place(tmp_path):
    _, bad = read_tasks(put(tmp_path, [entry(1), "x"]), {})
    assert (bad.id, bad.error.message) == ("entry 1", "entry 1: expected an object, got str")


@pytest.mark.parametrize("given", ["id", "id=", "name=x", "id=a,id=b", "=x", "id=a,,"])
def test_keys_of_another_form_are_refused(given):
    said = refusal(ErrorKind.INVALID_ARG, read_keys, given)
    assert said.startswith("--keys: expected name=other,... with each name once")


def test_one_failing_task_does_not_stop_the_others_and_gives_its_exit_code(desk):
    run = desk.tasks(
        [
            entry(1, character_image_url=None),
            {"id": 2},
            entry(3) | {"character_image_url": None, "init_image_url": "gone.png"},
            entry(4) | {"character_image_url": None},
        ]
    )
    assert run.exit_code == WRONG
    assert "2 of 4 tasks searched, 2 failed" in run.stdout
    assert "task 2: the request itself is wrong: init_image_url: expected a URL" in run.stderr
    assert "task 3: the request itself is wrong: gone.png: expected a readable" in run.stderr
    assert desk.metrics("1")["task_id"] == 1
    assert desk.metrics("4")["complete"] is True
    assert {path.name for path in desk.out.iterdir()} == {"task_1", "task_4"}


def test_only_the_tasks_asked_for_are_searched(desk):
    plain = [entry(number, character_image_url=None) for number in (1, 2, 3)]
    run = desk.tasks(plain, "--task-id", "3", "1", "--quiet")
    assert run.exit_code == 0, run.output
    assert {path.name for path in desk.out.iterdir()} == {"task_1", "task_3"}
    assert desk.metrics("3")["character_name"] == "Rex"


def test_options_of_several_words_are_read_as_the_shell_gives_them():
    line = ["a.png", "--task-id", "1", "2", "--seed", "4", "--push", "origin", "main", "--push"]
    assert joined(line) == [
        "a.png",
        "--task-id=1",
        "--task-id=2",
        "--seed",
        "4",
        "--push=origin main",
        "--push=",
    ]
    assert joined(["--task-id=5", "--", "--push"]) == ["--task-id=5", "--", "--push"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
ENTRY = st.dictionaries(
    st.sampled_from([*entry(1), "data"]), JSON | st.dictionaries(st.sampled_from([*entry(1)]), JSON)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ENTRY | JSON, min_size=1, max_size=4))
def test_whatever_json_holds_is_tasks_or_a_clear_error(tmp_path_factory, entries):
    path = put(tmp_path_factory.getbasetemp(), entries)
    try:
        tasks = read_tasks(path, {})
    except PawfectError as error:
        assert error.kind is ErrorKind.INVALID_ARG, error
        return
    assert len(tasks) == len(entries)
    for task in tasks:
        if isinstance(task, Task):
            assert "/" not in task.folder
            assert "\n" not in task.folder
