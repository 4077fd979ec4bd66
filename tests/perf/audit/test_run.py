"""What counts as a setting's own answer, and what memory is held."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
from tritonclient.utils import InferenceServerException

from pawfect.contract.errors import ErrorKind
from pawfect.contract.report import Fallback, Report, WindowReport
from pawfect.profile import load_profile
from pawfect.scene.instructions import removal_instruction
from pawfect.scene.prompt import Prompt
from pawfect_triton.overrides import Overrides
from perf.audit.run import why_fallen_back, worded
from perf.audit.server import AuditServer, loaded_by, reloaded_between
from perf.peak_memory import PeakMemory, tree_bytes
from tests.perf.audit.conftest import cell


def answer(**instead) -> Report:
    window = WindowReport((0, 0, 9, 9), (1, 1, 2, 2), instead.pop("working_px", 128), "flux", 0)
    given = {
        "engine": "flux", "engine_reason": "asked for", "profile": "tiny", "seed": 0,
        "deadline_ms": 1, "width": 9, "height": 9, "hole_px": 1, "dilate_px": 0.0, "specks": 0,
        "pinholes": 0, "labels": (), "labels_source": "none", "strength": 1.0,
        "windows": (window,), "stage_ms": {}, "total_ms": 1.0, "steps": 8, "guidance_scale": 4.0,
    }  # fmt: skip
    return Report(**(given | instead))


LATE = Fallback("flux", "PAWFECT_DEADLINE: 8 steps left", "patch")


def test_an_answer_as_asked_for_is_the_settings_own():
    labels = Fallback("sam3_labeling", "no surface recognised", "florence2")
    for own in (answer(), answer(fallbacks=(labels,)), answer(working_px=176)):
        assert why_fallen_back(cell(), own) == ""


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (
            answer(engine="patch", steps=None, fallbacks=(LATE,)),
            "engine patch: flux: PAWFECT_DEADLINE: 8 steps left",
        ),
        (answer(engine="patch", engine_reason="first engine"), "engine patch: first engine"),
        (answer(steps=5), "5 steps instead of 8"),
        (answer(working_px=64), "worked at 64 px instead of 128"),
        (answer(working_px=512), "worked at 512 px instead of 128"),
        (answer(strength=0.5), "another strength than 1"),
        (
            answer(fallbacks=(Fallback("patch_fill", "it failed", "noise", ErrorKind.INTERNAL),)),
            "another strength than 1",
        ),
    ],
)  # fmt: skip
def test_a_card_too_slow_or_a_stage_that_failed_is_a_fall_back_with_its_reason(report, said):
    assert why_fallen_back(cell(), report).startswith(said)


def test_the_engine_that_is_asked_for_is_the_cells_own():
    klein = cell(engine="klein", guidance=None, strength=0.8, references=True)
    own = answer(engine="klein", guidance_scale=None, strength=0.8)
    assert why_fallen_back(klein, own) == ""
    assert why_fallen_back(klein, answer(strength=0.8)) == "engine flux: asked for"
    assert why_fallen_back(cell(), own) == "engine klein: asked for"


def test_an_engine_that_edits_is_told_an_instruction_and_another_the_surfaces():
    prompt = Prompt("grass with leaves", 3, "labels")
    assert worded(prompt, "flux") == "grass with leaves"
    told = worded(prompt, "klein")
    assert told == worded(prompt, "edit") == removal_instruction(prompt)
    assert "grass with leaves" in told


def test_only_what_a_setting_changes_is_loaded_anew():
    plain = load_profile("tiny-all")
    own = loaded_by(plain)

    def between(before, overrides):
        return reloaded_between(before, loaded_by(overrides.applied(plain)))

    assert between(own, Overrides(size=256, engine="klein", references=False)) == ("inpaint",)
    int8 = Overrides("tiny-klein-int8", engine="klein")
    assert between(own, int8) == ("klein_transformer", "inpaint")
    # With another engine, the former one's weights go back to the profile's own.
    other = Overrides("tiny-flux-fill-int8", engine="flux", tile_px=64)
    assert between(loaded_by(int8.applied(plain)), other) == (
        "flux_transformer", "flux_vae_encoder", "flux_vae_decoder", "klein_transformer", "inpaint",
    )  # fmt: skip
    # After a load that failed nothing is known.
    assert len(between({}, int8)) == 3 * 3 + 1


def test_steps_that_were_left_out_are_a_fall_back():
    told = answer()
    assert why_fallen_back(cell(), replace(told, steps_taken=8)) == ""
    said = why_fallen_back(cell(), replace(told, steps_taken=6))
    assert said.startswith("6 steps taken of 8")
    half = replace(told, strength=0.5, steps_taken=4)
    assert why_fallen_back(cell(strength=0.5), half) == ""


def test_the_peak_between_two_looks_is_kept():
    values = iter([100.0, 300.0] + [50.0] * 10_000)
    with PeakMemory(lambda: next(values), every_s=0.001) as memory:
        time.sleep(0.05)
    assert memory.bytes == 300


def test_a_reading_that_fails_is_none():
    def broken() -> float:
        raise psutil.NoSuchProcess(1)

    with PeakMemory(broken, every_s=0.001) as memory:
        time.sleep(0.01)
    assert memory.bytes == 0


HOLD = """
import sys
data = bytearray(80 * 2**20)
data[::4096] = b"x" * len(data[::4096])
print(1, flush=True)
sys.stdin.read()
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}])"


def test_memory_of_the_processes_below_the_server_counts():
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    held = [tree_bytes(process.pid, kind) for kind in ("rss", "pss")]
    process.stdin.close()
    process.wait(10)
    process.stdout.close()
    assert min(held) > 80 * 2**20


def test_a_server_that_does_not_get_ready_is_not_left_behind(tmp_path):
    # It starts, and lacks the models whose settings an audit changes.
    profile = replace(load_profile("tiny"), models=("mask_cleanup",))
    before = set(psutil.Process().children(recursive=True))
    server = AuditServer(profile, tmp_path / "server.log")
    with pytest.raises(InferenceServerException, match="flux_transformer"), server:
        pytest.fail("it is not ready")
    assert set(psutil.Process().children(recursive=True)) == before
