"""Only what was measured, whole, gets into a profile, and only that changes."""

from __future__ import annotations

import tomllib
from dataclasses import asdict

import pytest
from click.testing import CliRunner

from pawfect.profile import load_profile, parse_profile, profile_names
from perf.audit.__main__ import audit
from perf.audit.approval import AUDITED, changes_for, chosen_setting, profile_path, rewritten
from perf.audit.choice import choose
from perf.audit.journal import AuditError, Journal
from tests.perf.audit.conftest import TINY_Q8, cell, note, record, setting

CHANGES = {
    ("weights", "flux_transformer"): f'"{TINY_Q8}"',
    ("flux", "sizes"): [128],
    ("flux", "steps"): 4,
    ("flux", "guidance_scale"): 2.5,
}
FLUX = load_profile("tiny").flux


def changed_lines(name, after):
    before = profile_path(name).read_text()
    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    changed = [(a.split(" =")[0], b.split(" =")[0]) for a, b in pairs if a != b]
    assert [a for a, _ in changed] == [b for _, b in changed]
    return {a for a, _ in changed}


@pytest.mark.parametrize(
    ("name", "engine"),
    [(name, engine) for name in profile_names() for engine in load_profile(name).denoising],
)
def test_a_profile_changes_in_its_engines_table_and_nowhere_else(name, engine):
    profile = load_profile(name)
    own = {"guidance": None, "references": False} if engine == "klein" else {"guidance": 2.5}
    entry = "tiny-edit-int4"
    run = choice({"engine": engine, "quantisation": entry, "strength": 0.7, "steps": 3, **own})
    changes = changes_for(run, chosen_setting(run, {}), profile.chain(engine))
    after = rewritten(name, profile_path(name).read_text(), changes)
    keys = {f"{engine}_transformer", "sizes", "steps", "strength"}
    keys |= {"references"} if engine == "klein" else {"guidance_scale"}
    assert changed_lines(name, after) == keys
    approved = parse_profile(name, tomllib.loads(after))
    assert approved.weights[f"{engine}_transformer"] == entry
    settings = approved.chain(engine)
    assert (settings.sizes, settings.steps, settings.strength) == ((128,), 3, 0.7)
    if engine == "klein":
        assert not settings.references
    else:
        assert settings.guidance_scale == 2.5
    for other in set(profile.chains) - {engine}:
        assert approved.chain(other) == profile.chain(other)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_comments_spaces_and_line_ends_stay(ending):
    before = profile_path("tiny").read_text()
    before = before.replace("steps = 8", "steps   =  8   # 28 with = the 'plain' model")
    before = before.replace("\n", ending)
    after = rewritten("tiny", before, {("flux", "steps"): 4})
    assert after == before.replace("steps   =  8   #", "steps   =  4   #")


def test_a_key_of_the_same_name_in_another_table_stays():
    before = profile_path("tiny").read_text() + "\n[budget]\nsam3_labeling = 8\n"
    with pytest.raises(AuditError, match=r"expected florence2\.steps on a line of its own"):
        rewritten("tiny", before, {("florence2", "steps"): 4})


def test_a_value_over_several_lines_and_one_that_no_profile_may_hold_are_refused():
    before = profile_path("tiny").read_text()
    with pytest.raises(AuditError, match=r"flux\.sizes"):
        rewritten("tiny", before.replace("sizes = [128, 256]", "sizes = [128,\n256]"), CHANGES)
    with pytest.raises(AuditError, match="rising multiples of 16"):
        rewritten("tiny", before, {("flux", "sizes"): [130]})


def choice(*settings, statuses=None, budget_ms=30_000, missing=False):
    cells = [cell(f"{n:016}", **given) for n, given in enumerate(settings)]
    statuses = statuses or ["done"] * len(cells)
    records = {
        c.identity: record(c, status, scores={"seam_off": float(n)})
        for n, (c, status) in enumerate(zip(cells, statuses, strict=True))
    }
    if missing:
        del records[cells[-1].identity]
    return choose(cells, records, budget_ms)


def test_the_recommended_setting_is_approved_unless_another_is_named():
    run = choice({"steps": 8}, {"steps": 28})
    assert chosen_setting(run, {}) == setting(steps=8)
    assert chosen_setting(run, {"steps": 28, "guidance": None}) == setting(steps=28)


@pytest.mark.parametrize(
    ("run", "asked", "says"),
    [
        (choice({"steps": 8}), {"steps": 5}, r"did not measure this setting.*steps 5"),
        (choice({}, {"steps": 4}, missing=True), {}, "incomplete: 1 cells are missing"),
        (
            choice({}, {"steps": 4}, statuses=["done", "fallen back"]),
            {"steps": 4},
            "1 fell back, 0 failed, 0 do not fit the card",
        ),
        (
            choice({}, {"steps": 4}, statuses=["done", "not fitting"]),
            {"steps": 4},
            "0 failed, 1 do not fit the card",
        ),
        (choice({}), {"engine": "klein"}, "name a whole setting"),
    ],
)
def test_what_was_not_measured_whole_is_refused(run, asked, says):
    with pytest.raises(AuditError, match=says):
        chosen_setting(run, asked)


def test_where_nothing_is_recommended_the_whole_setting_must_be_named():
    run = choice({}, budget_ms=1)
    with pytest.raises(AuditError, match="name a whole setting"):
        chosen_setting(run, {"steps": 8})
    assert chosen_setting(run, asdict(setting())) == setting()


def test_of_several_engines_each_has_its_best_setting():
    klein = {"engine": "klein", "quantisation": "tiny-klein", "guidance": None, "strength": 0.8}
    run = choice({}, {**klein, "references": False}, {**klein, "references": True})
    assert chosen_setting(run, {}) == setting()
    assert chosen_setting(run, {"engine": "klein"}) == setting(**klein, references=False)
    asked = {"engine": "klein", "references": True}
    assert chosen_setting(run, asked) == setting(**klein, references=True)


def test_a_whole_setting_of_an_engine_without_guidance_names_none():
    klein = {"engine": "klein", "quantisation": "tiny-klein", "guidance": None}
    run = choice({**klein, "references": True}, budget_ms=1)
    whole = {
        "quantisation": "tiny-klein",
        "size": 128,
        "strength": 1.0,
        "prompt": "one",
        "steps": 8,
    }
    assert chosen_setting(run, whole) == setting(**klein, references=True)
    with pytest.raises(AuditError, match="did not measure"):
        chosen_setting(run, {**whole, "guidance": 4.0})


def test_smaller_sizes_stay_only_where_they_were_measured_alike():
    run = choice({"size": 256}, {"size": 128}, {"size": 64, "steps": 4}, {"size": 512})
    assert changes_for(run, setting(size=256), FLUX)["flux", "sizes"] == [128, 256]
    assert changes_for(run, setting(size=64, steps=4), FLUX)["flux", "sizes"] == [64]


def test_attention_and_tiles_are_approved_with_the_reason_where_they_change(tmp_path):
    run = choice({"attention": "math", "tile_px": 64}, {"attention": "auto", "tile_px": 0})
    best = chosen_setting(run, {})
    assert (best.attention, best.tile_px) == ("math", 64)
    changes = changes_for(run, best, FLUX)
    after = rewritten("tiny", profile_path("tiny").read_text(), changes)
    profile = parse_profile("tiny", tomllib.loads(after))
    assert (profile.flux.attention, profile.flux.tile_px) == ("math", 64)
    assert profile.flux.attention_reason == AUDITED
    own = chosen_setting(run, {"attention": "auto", "tile_px": 0})
    assert ("flux", "attention_reason") not in changes_for(run, own, FLUX)


def test_a_run_from_before_these_were_varied_approves_neither():
    assert {key for _, key in changes_for(choice({}), setting(), FLUX)} == {
        "flux_transformer", "sizes", "steps", "guidance_scale", "strength",
    }  # fmt: skip


def test_a_whole_setting_may_leave_out_attention_and_tiles():
    run = choice({"attention": "math", "tile_px": 64}, budget_ms=1)
    given = {name: value for name, value in asdict(setting()).items() if value is not None}
    assert chosen_setting(run, given) == setting(attention="math", tile_px=64)


@pytest.fixture
def run_folder(tmp_path):
    cells = [cell("a" * 16, steps=4, quantisation=TINY_Q8), cell("b" * 16, steps=28)]
    with Journal(tmp_path) as journal:
        journal.begin(note(cells))
        journal.add(record(cells[0]))
        journal.add(record(cells[1], scores={"seam_off": 50.0}))
    return tmp_path


def approve(*options):
    return CliRunner().invoke(audit, ["approve", *map(str, options)])


def test_the_command_shows_what_changes_asks_and_writes(run_folder):
    out, own = run_folder / "approved.toml", profile_path("tiny")
    before = own.read_bytes()
    no = CliRunner().invoke(
        audit, ["approve", "--run", str(run_folder), "--out", str(out)], input="n\n"
    )
    assert no.exit_code == 1
    assert not out.exists()
    done = approve("--run", run_folder, "--out", out, "--yes")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "-steps = 8" in lines
    assert "+steps = 4" in lines
    profile = parse_profile("tiny", tomllib.loads(out.read_text()))
    assert profile.weights["flux_transformer"] == TINY_Q8
    assert own.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--steps", "5"), "did not measure"),
        (("--quantisation", "none"), "did not measure"),
    ],
)
def test_the_command_refuses_in_one_line(run_folder, options, said):
    result = approve("--run", run_folder, "--out", run_folder / "x.toml", "--yes", *options)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output
    assert not (run_folder / "x.toml").exists()


def test_a_folder_without_a_run_is_refused(tmp_path):
    result = approve("--run", tmp_path)
    assert result.exit_code == 1
    assert "no audit has run here" in result.output
