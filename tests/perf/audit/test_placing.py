"""What fits the card beside the labelling models, without them, or not at all, with its GiB."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pawfect.models import MODELS
from pawfect.profile import load_profile
from pawfect.weights.store import ROOT_VARIABLE
from perf.audit.journal import AuditError, Journal
from perf.audit.placing import (
    ALONE,
    BESIDE,
    LABELLING,
    NOT_AT_ALL,
    Placement,
    only_labelling,
    place,
    usable_gib,
    without_labelling,
)
from perf.audit.run import overrides_of
from perf.audit.stages import Plan, check_start, placements_of, to_label, to_run
from perf.diffusion.cards import CARDS
from perf.diffusion.memory import CONTEXT_GIB, processes_of, total_gib
from tests.perf.audit.conftest import TINY, TINY_Q8, cell, record, setting


def on(name: str, quantisation: str, size: int, **instead) -> Placement:
    profile = load_profile(name)
    given = setting(quantisation=quantisation, size=size, **instead)
    return place(profile, usable_gib(profile), overrides_of(given))


@pytest.mark.parametrize(
    ("quantisation", "size", "where"),
    [
        ("flux-fill-dev-q4_0", 768, BESIDE),
        ("flux-fill-dev-q8_0", 768, ALONE),
        ("flux-fill-dev-q8_0", 1024, ALONE),
        ("flux-fill-dev-transformer-bf16", 512, NOT_AT_ALL),
    ],
)
def test_a_t4_holds_4_bits_beside_the_labels_8_bits_without_and_16_not_at_all(
    quantisation, size, where
):
    found = on("t4", quantisation, size)
    assert found.where == where
    assert found.card == CARDS["t4"].usable_gib == 14.7


@pytest.mark.parametrize(
    ("quantisation", "where"),
    [("klein-4b-int4", BESIDE), ("klein-4b-int8", ALONE), ("klein-4b", ALONE)],
)
def test_a_t4_holds_klein_with_its_text_encoder_and_beside_the_labels_in_4_bits(
    quantisation, where
):
    own = {"engine": "klein", "guidance": None, "references": True}
    found = on("t4-klein", quantisation, 1024, **own)
    assert (found.where, found.card) == (where, 14.7)
    without = on("t4-klein", quantisation, 1024, **{**own, "references": False})
    assert without.beside < found.beside


def test_the_sum_is_that_of_the_memory_table_with_and_without_the_labelling_models():
    profile = load_profile("t4")
    own = place(
        profile, 14.7, overrides_of(setting(quantisation="flux-fill-dev-turbo-int4", size=1024))
    )
    processes = processes_of(profile)
    assert own.beside == pytest.approx(total_gib(processes))
    labelling = [process for process in processes if process.model in LABELLING]
    assert len(labelling) == 2
    assert own.beside - own.alone == pytest.approx(total_gib(tuple(labelling)))


def test_size_tiles_and_plain_attention_are_part_of_it():
    small, large = (on("t4", "flux-fill-dev-q4_0", size).beside for size in (512, 1024))
    assert small < large
    whole, tiled = (on("t4", "flux-fill-dev-q4_0", 1024, tile_px=px).beside for px in (1024, 512))
    assert tiled < whole
    efficient, plain = (
        on("t4", "flux-fill-dev-q4_0", 1024, attention=way).beside for way in ("efficient", "math")
    )
    assert efficient + 3 < plain


def test_the_reason_says_the_gib_and_what_was_done():
    assert Placement(13.0, 9.0, 14.7).reason == ""
    assert Placement(15.123, 9.0, 14.7).reason == (
        "labels made before: 15.12 of 14.70 GiB beside the labelling models, 9.00 without"
    )
    assert Placement(30.0, 25.0, 14.7).reason == (
        "25.00 of 14.70 GiB without the labelling models, 30.00 with them"
    )


def test_a_profile_without_a_card_holds_everything_unless_a_limit_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    tiny, overrides = load_profile("tiny"), overrides_of(setting())
    assert usable_gib(tiny) is None
    assert place(tiny, None, overrides).where == BESIDE
    # No weights here: a context for each process of the rehearsal.
    found = place(tiny, 2.0, overrides)
    assert found.beside == pytest.approx(6 * CONTEXT_GIB)
    assert found.alone == pytest.approx(4 * CONTEXT_GIB)
    assert (found.where, place(tiny, 1.0, overrides).where) == (ALONE, NOT_AT_ALL)
    (tmp_path / TINY).mkdir()
    (tmp_path / TINY / "weights").write_bytes(bytes(2**20))
    assert place(tiny, 2.0, overrides).alone == pytest.approx(4 * CONTEXT_GIB + 4 / 1024)


def test_the_two_servers_of_such_a_run_load_no_model_that_the_other_needs_the_room_of():
    tiny = load_profile("tiny")
    filling, labelling = without_labelling(tiny), only_labelling(tiny)
    assert set(filling.models) == set(tiny.models) - set(LABELLING)
    assert labelling.models == ("mask_cleanup", *LABELLING)
    assert set(labelling.models) | set(filling.models) <= set(MODELS)


def test_a_profile_whose_own_weights_do_not_fit_is_refused_before_a_server_starts_with_them():
    def check(name: str, quantisation: str, card_gib: float) -> None:
        profile, one = load_profile(name), cell(quantisation=quantisation, size=512)
        check_start(profile, card_gib, placements_of([one], profile, card_gib))

    check("t4", "flux-fill-dev-q8_0", 14.7)
    check("l4", "flux-fill-dev-q4_0", 22.0)
    # Nothing starts where nothing fits.
    check("l4", "flux-fill-dev-q4_0", 5.0)
    with pytest.raises(AuditError) as caught:
        check("l4", "flux-fill-dev-q4_0", 14.7)
    assert str(caught.value).startswith("profile l4: a server starts with flux-fill-dev-q8_0, ")
    assert "of 14.70 GiB" in str(caught.value)
    assert "choose the profile of this card" in str(caught.value)


@pytest.fixture
def plan(tmp_path):
    def make(card_gib: float | None, cells) -> Plan:
        tiny = load_profile("tiny")
        return Plan(tmp_path, tiny, {}, (), 1, placements_of(cells, tiny, card_gib))

    return make


def test_what_did_not_fit_is_tried_again_only_on_a_card_where_it_fits(plan, monkeypatch, tmp_path):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    cells = [cell("a" * 16), cell("b" * 16, quantisation=TINY_Q8), cell("c" * 16)]
    known = {cells[0].identity: record(cells[0], "not fitting", picture="", scores={})}
    known |= {cells[1].identity: record(cells[1], "failed")}
    assert to_run(known, cells, plan(1.0, cells), retry_failed=False) == [cells[2]]
    assert to_run(known, cells, plan(2.0, cells), retry_failed=False) == [cells[0], cells[2]]
    assert to_run(known, cells, plan(None, cells), retry_failed=True) == cells


def test_fills_without_their_labels_are_to_be_labelled_and_kept_so_in_the_journal(tmp_path):
    cells = [cell("a" * 16), cell("b" * 16), cell("c" * 16)]
    with Journal(tmp_path) as journal:
        journal.add(record(cells[0], labelled=False))
        journal.add(record(cells[1]))
    with Journal(tmp_path) as journal:
        assert [r.cell for r in to_label(journal.records, cells)] == [cells[0].identity]
        journal.add(replace(journal.records[cells[0].identity], labelled=True))
        assert to_label(journal.records, cells) == []
