"""A start that cannot succeed ends at once, in a line that says what is wrong and what mends it."""

from __future__ import annotations

import os
import resource
import socket
import tempfile
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pawfect.judges.settings import VARIABLES as JUDGES
from pawfect.matting import presets
from pawfect.profile import PROFILE_VARIABLE, load_profile, profile_names
from pawfect.refine.remote_settings import VARIABLES as REMOTE
from pawfect.weights.store import ROOT_VARIABLE
from pawfect_triton import start_checks
from pawfect_triton.command import serve
from pawfect_triton.installation import MachineError, check_machine, find_installation
from pawfect_triton.server import Endpoints, TritonServer
from pawfect_triton.start_checks import card_problems, cards_gib, check_start
from tests.conftest import free_ports

Usage = namedtuple("Usage", "total used free")
CARDS = ("t4", "t4-klein", "l4", "l4-edit", "h200")


@pytest.fixture(autouse=True)
def plain(monkeypatch, tmp_path):
    """An environment without settings, and weights' root that is not there."""
    for name in (*JUDGES, *REMOTE, PROFILE_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "weights"))


@pytest.fixture
def root(monkeypatch) -> Iterator[Path]:
    """A weights' root below a folder that any user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / "weights"
        (folder / "u2netp").mkdir(parents=True)
        (folder / "u2netp" / "u2netp.onnx").write_bytes(b"weights")
        for each in (folder, Path(above)):
            each.chmod(0o755)
        monkeypatch.setenv(ROOT_VARIABLE, str(folder))
        yield folder


def said(*options: str) -> str:
    """The one line of a `pawfect serve` that does not start."""
    ran = CliRunner().invoke(serve, options)
    assert isinstance(ran.exception, SystemExit), ran.exception
    assert ran.exit_code in (1, 2)
    assert "Traceback" not in ran.output
    return ran.stderr.strip().splitlines()[-1]


def problems(profile: str = "embedded") -> list[str]:
    with pytest.raises(MachineError) as caught:
        check_start(load_profile(profile))
    return caught.value.problems


@contextmanager
def as_nobody() -> Iterator[None]:
    """Not root, who may read everything."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(own)


def test_a_machine_with_nothing_wrong_may_start():
    check_start(load_profile("embedded"))


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("PAWFECT_REMOTE_URL", "https://x.example", "PAWFECT_REMOTE_KEY: expected it beside"),
        ("PAWFECT_GEMINI_URL", "https://x.example", "PAWFECT_GEMINI_KEY: expected it beside"),
        ("PAWFECT_MOONDREAM_URL", "http://x.example", "PAWFECT_MOONDREAM_URL: expected https://"),
        (presets._MODE, "nonsense", f"{presets._MODE}: expected"),
        ("PAWFECT_TLS_CERT", "/none", "TLS: expected --tls-cert and --tls-key, got no --tls-key"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4318", "OTEL_EXPORTER_OTLP_ENDPOINT: expected http"),
    ],
)
def test_a_wrong_or_half_given_setting_is_named(monkeypatch, name, value, line):
    monkeypatch.setenv(name, value)
    answer = said()
    assert answer.startswith("Error: cannot start: ")
    assert line in answer


def test_a_permission_that_is_neither_true_nor_false_is_named(monkeypatch):
    monkeypatch.setenv("PAWFECT_ALLOW_NONCOMMERCIAL", "yes")
    assert "PAWFECT_ALLOW_NONCOMMERCIAL: expected true or false, got 'yes'" in said()


def test_a_number_out_of_bounds_is_named_and_a_key_never_shown(monkeypatch):
    monkeypatch.setenv("PAWFECT_GEMINI_KEY", "very-secret")
    monkeypatch.setenv("PAWFECT_GEMINI_DAILY", "-1")
    answer = said()
    assert "PAWFECT_GEMINI_DAILY: expected an integer" in answer
    assert "very-secret" not in answer


def test_all_that_is_wrong_is_said_at_once(monkeypatch):
    monkeypatch.setenv("PAWFECT_REMOTE_URL", "https://x.example")
    monkeypatch.setenv("PAWFECT_GEMINI_URL", "https://x.example")
    ran = CliRunner().invoke(serve)
    assert len([line for line in ran.stderr.splitlines() if line.startswith("- ")]) == 2


def test_settings_of_models_that_the_profile_lacks_are_no_hindrance(monkeypatch):
    monkeypatch.setenv("PAWFECT_REMOTE_URL", "https://x.example")
    profile = load_profile("embedded")
    without = tuple(name for name in profile.models if name != "refine")
    check_start(replace(profile, models=without))


def test_an_unknown_profile_of_the_environment_is_answered_with_the_known_ones(monkeypatch):
    monkeypatch.setenv(PROFILE_VARIABLE, "nowhere")
    answer = said()
    assert "expected one of" in answer
    assert all(name in answer for name in profile_names())
    assert "got 'nowhere'" in answer


def test_a_weights_root_that_is_a_file_is_said(tmp_path):
    (tmp_path / "weights").write_text("")
    assert f"{ROOT_VARIABLE}: expected a folder" in said()
    assert "Not a directory" in said()


def test_a_weights_root_that_this_user_cannot_read_is_said(root):
    root.chmod(0)
    with as_nobody():
        (line,) = problems()
    assert line.startswith(f"{ROOT_VARIABLE}: expected a folder that this user can read")


@pytest.mark.parametrize("what", ["u2netp/u2netp.onnx", "u2netp", "weights.lock.json"])
def test_weights_that_this_user_cannot_read_are_named_with_the_command(root, what):
    (root / "weights.lock.json").write_text("{}")
    check_start(load_profile("embedded"))
    (root / what).chmod(0)
    with as_nobody():
        (line,) = problems()
    assert line.startswith(f"weights {what}: expected a file that this user can read")
    assert "pawfect weights fetch embedded" in line


def test_weights_of_other_profiles_are_not_looked_at(root):
    (root / "sam3").mkdir()
    (root / "sam3").chmod(0)
    check_start(load_profile("embedded"))


def test_a_full_disk_is_said_before_anything_is_started(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage(10, 9, 3 * 2**20))
    answer = said()
    assert "temporary files: expected 32 MiB free, got 3: free space there" in answer
    assert "TMPDIR" in answer


def test_no_folder_for_temporary_files_is_said(monkeypatch):
    # It is looked for once in a process.
    monkeypatch.setattr(tempfile, "tempdir", None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may hold a byte, as on a disk that is full to the last one.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        answer = said()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "temporary files: expected a folder that can be written to, got none" in answer


def test_a_disk_that_fills_while_the_repository_is_gathered_is_said(monkeypatch):
    def full(profile, folder):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("pawfect_triton.server.gather", full)
    before = set(Path(tempfile.gettempdir()).glob("pawfect-*"))
    with pytest.raises(MachineError, match=r"got No space left on device: free space there"):
        TritonServer(load_profile("embedded"), Endpoints("127.0.0.1", *free_ports(3)))
    assert set(Path(tempfile.gettempdir()).glob("pawfect-*")) <= before


def test_an_address_of_no_interface_here_is_not_called_a_taken_port(tmp_path):
    # Of the block that is for documentation alone.
    with pytest.raises(MachineError) as caught:
        check_machine(find_installation(tmp_path), "192.0.2.1", {"grpc": free_ports(1)[0]})
    (line,) = caught.value.problems
    assert "cannot be listened on at 192.0.2.1" in line
    assert line.endswith("choose another, --host")


def test_a_taken_health_port_is_said_with_its_option():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        answer = said(f"--health-port={port}")
    assert f"health port {port} on 127.0.0.1: Address already in use" in answer
    assert answer.endswith("choose another, --health-port")


@pytest.mark.parametrize("name", CARDS)
def test_a_card_too_small_for_a_profile_is_refused_with_both_sizes(monkeypatch, name):
    needed = load_profile(name).limits.card_gib
    monkeypatch.setattr(start_checks, "cards_gib", lambda: (4.0, needed - 0.5))
    answer = said(f"--profile={name}")
    assert f"profile {name}: expected a card of {needed:g} GiB, got 4.0, " in answer
    assert "--profile embedded" in answer


@pytest.mark.parametrize(
    ("name", "has_gib"), [("t4", 15.0), ("l4", 22.5), ("l4-edit", 22.5), ("h200", 140.4)]
)
def test_the_card_that_a_profile_is_for_is_large_enough(monkeypatch, name, has_gib):
    monkeypatch.setattr(start_checks, "cards_gib", lambda: (has_gib,))
    assert list(card_problems(load_profile(name))) == []


def test_no_card_at_all_is_said_where_there_are_weights_for_one(monkeypatch, root):
    monkeypatch.setattr(start_checks, "cards_gib", lambda: ())
    # A rehearsal: each model says that it lacks its weights, and the rest serves.
    check_start(load_profile("t4"))
    (root / "florence2-base").mkdir()
    assert "expected a card of 13.8 GiB, got none" in said("--profile=t4")


def test_a_card_that_cannot_be_asked_is_tried(monkeypatch, root):
    (root / "florence2-base").mkdir()
    monkeypatch.setattr(start_checks, "cards_gib", lambda: None)
    assert list(card_problems(load_profile("t4"))) == []


def test_profiles_of_the_cpu_need_no_card(monkeypatch):
    monkeypatch.setattr(start_checks, "cards_gib", lambda: ())
    for name in set(profile_names()) - set(CARDS):
        assert list(card_problems(load_profile(name))) == []


@pytest.mark.parametrize(
    ("printed", "found"),
    [("15360\n143771\n", (15.0, 143771 / 1024)), ("", ()), ("[N/A]\n", None)],
)
def test_cards_are_read_off_the_drivers_own_tool(monkeypatch, tmp_path, printed, found):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '{printed}'\n".replace("\n'", "\\n'"))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(start_checks.Path, "exists", lambda path: True)
    assert cards_gib() == found


def test_a_tool_that_fails_says_nothing_about_cards(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(start_checks.Path, "exists", lambda path: True)
    assert cards_gib() is None
