"""What a model's config may change of the profile, and that nothing else gets in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.orchestrator import Deployment
from pawfect.profile import PROFILE_VARIABLE, load_profile
from pawfect.settings import CheckSettings
from pawfect_triton.overrides import Overrides, read, served_profile
from pawfect_triton.server import Endpoints, TritonServer


def args(parameters) -> dict[str, str]:
    return {"model_config": json.dumps({"name": "x", "parameters": parameters})}


def test_a_config_without_overrides_leaves_the_profile(monkeypatch):
    monkeypatch.setenv(PROFILE_VARIABLE, "tiny")
    for config in ({"model_config": "{}"}, args({}), args({"other": {"string_value": "1"}})):
        assert read(config) == Overrides()
        assert served_profile(config) == load_profile("tiny")


def test_what_is_written_is_read(monkeypatch):
    monkeypatch.setenv(PROFILE_VARIABLE, "tiny")
    overrides = Overrides(
        "tiny-flux-fill-q8_0", 256, check=False, verbatim=True, attention="math", tile_px=64
    )
    config = args(overrides.parameter())
    assert read(config) == overrides
    profile, plain = served_profile(config), load_profile("tiny")
    assert profile.weights["flux_transformer"] == "tiny-flux-fill-q8_0"
    assert profile.weights["flux"] == plain.weights["flux"]
    assert profile.flux is not None
    assert plain.flux is not None
    assert profile.flux == replace(plain.flux, sizes=(256,), attention="math", tile_px=64)
    # 0 is a value: never in tiles.
    assert Overrides(tile_px=0).applied(load_profile("t4")).flux.tile_px == 0


def test_an_engine_gets_its_own_table_and_comes_first():
    plain = load_profile("tiny-all")
    overrides = Overrides("tiny-klein-int8", 256, engine="klein", references=False)
    profile = overrides.applied(plain)
    assert profile.klein == replace(plain.klein, sizes=(256,), references=False)
    assert (profile.flux, profile.edit) == (plain.flux, plain.edit)
    assert profile.weights["klein_transformer"] == "tiny-klein-int8"
    assert profile.weights["flux_transformer"] == plain.weights["flux_transformer"]
    assert profile.engines == ("klein", "flux", "edit", "patch", "lama")
    assert profile.engine("auto") == ("klein", "first engine of profile tiny-all")
    # Without an engine it is the profile's first.
    klein = load_profile("tiny-klein")
    assert Overrides(size=256).applied(klein) == replace(
        klein, klein=replace(klein.klein, sizes=(256,))
    )


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (Overrides(engine="edit"), "expected engine klein, got edit"),
        (Overrides(engine="lama"), "expected engine klein, got lama"),
    ],
)
def test_an_engine_that_the_profile_lacks_is_refused(overrides, said):
    with pytest.raises(PawfectError, match=said) as caught:
        overrides.applied(load_profile("tiny-klein"))
    assert caught.value.kind is ErrorKind.INVALID_ARG


def test_references_of_an_engine_without_that_setting_are_refused():
    with pytest.raises(PawfectError, match="expected a setting of flux, got references"):
        Overrides(references=True).applied(load_profile("tiny"))


def test_the_check_is_taken_away_and_nothing_is_done_to_a_profile_without_flux():
    checked = replace(load_profile("tiny"), check=CheckSettings(4.0, 0.25))
    assert Overrides(check=False).applied(checked).check is None
    assert Overrides().applied(checked).check == checked.check
    embedded = load_profile("embedded")
    assert Overrides("x", 128, check=False).applied(embedded) == embedded


@pytest.mark.parametrize(
    "value",
    ["", "no json", "[]", '{"weights": "x"}', '{"transformer": 1}', '{"size": 100}',
     '{"size": 0}', '{"size": true}', '{"attention": "flash"}', '{"tile_px": -1}',
     '{"check": "false"}', '{"verbatim": 1}', '{"engine": "auto"}', '{"references": "yes"}'],
)  # fmt: skip
def test_another_config_is_refused(value):
    with pytest.raises(PawfectError) as caught:
        read(args({"audit": {"string_value": value}}))
    assert caught.value.kind is ErrorKind.INVALID_ARG


def test_only_a_server_on_the_loopback_address_has_model_control():
    profile = load_profile("embedded")
    with pytest.raises(ValueError, match=r"model control: expected host 127\.0\.0\.1, got 0\."):
        TritonServer(profile, Endpoints("0.0.0.0", 1, 2, 3), model_control=True)


def test_a_server_without_model_control_has_it_off():
    for control, expected in ((False, "none"), (True, "explicit")):
        server = TritonServer(
            load_profile("embedded"), Endpoints("127.0.0.1", 1, 2, 3), model_control=control
        )
        try:
            command = server.command()
        finally:
            server.close()
        assert f"--model-control-mode={expected}" in command
        assert ("--load-model=*" in command) is control
        # Triton's own 30 s are too few for a model's process on a busy machine: it then hangs.
        patience = server.profile.limits.ready_s
        assert patience >= 60
        assert f"--backend-config=python,stub-timeout-seconds={patience}" in command


def test_a_setup_reads_prompts_through_the_table_unless_told():
    assert Deployment(load_profile("embedded")).verbatim is False
