"""`--tmux`: the same command in a session of its own, where tmux is installed."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from pawfect_client.search.tmux import SESSION, server_of
from tests.client.search.conftest import installed_in
from tests.server.conftest import until


def test_without_tmux_a_warning_says_so_and_the_search_runs_here(desk, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    run = desk("--tmux")
    assert run.exit_code == 0, run.output
    assert "pawfect: --tmux: tmux is not installed; it runs here" in run.stderr
    assert desk.metrics()["complete"] is True


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_session_has_three_windows_and_a_second_one_of_the_folder_is_refused(
    desk, monkeypatch, tmp_path
):
    monkeypatch.setenv("TMUX_TMPDIR", str(tmp_path))
    monkeypatch.delenv("TMUX", raising=False)
    here = [str(installed_in(tmp_path / "again"))]
    here += [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*here, os.getcwd()]))
    monkeypatch.setenv("FLOW_PACE_S", "0.2")
    server = server_of(desk.out)

    def tmux(*arguments: str) -> str:
        command = ["tmux", "-L", server, *arguments]
        return subprocess.run(command, capture_output=True, text=True).stdout

    try:
        run = desk("--tmux", "--character", "a b")
        assert (run.exit_code, run.stdout) == (0, f"tmux -L {server} attach\n")
        names = tmux("list-windows", "-t", SESSION, "-F", "#{window_name}").split()
        assert names == ["pipeline", "gpus", "logs"]
        second = desk("--tmux", "--seed=1")
        assert second.exit_code == 65
        assert f"got one with a session: tmux -L {server} attach" in second.stderr
        until(lambda: (desk.task() / "metrics.json").exists(), 60)
        until(
            lambda: tmux("list-panes", "-t", f"{SESSION}:pipeline", "-F", "#{pane_dead}") == "1\n",
            30,
        )
        assert "1 of 1 tasks searched" in tmux("capture-pane", "-p", "-t", f"{SESSION}:pipeline")
        assert "best of 8" in (desk.out / "search.log").read_text()
    finally:
        tmux("kill-server")
