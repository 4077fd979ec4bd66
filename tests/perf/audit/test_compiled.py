"""A compilation holds only where every block really ran compiled; nothing falls back in silence."""

from __future__ import annotations

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from pawfect.contract.errors import PawfectError
from pawfect.diffusion.attention import use_attention
from pawfect.diffusion.compiling import compile_blocks, repeated_blocks
from pawfect.profile import load_profile
from pawfect.weights.store import ROOT_VARIABLE
from perf.audit.compiled import CountingBackend, compile_, prove, steps_of, transformer_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class Block(nn.Module):
    """A linear layer with a residual; `trouble` says what goes wrong in it."""

    def __init__(self, trouble: str = "") -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.trouble = trouble

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        states = states + self.linear(states)
        if self.trouble == "break":
            torch._dynamo.graph_break()
        return states.tanh()


class Chain(nn.Module):
    """A few blocks, as diffusers' models hold theirs."""

    _repeated_blocks = ("Block",)

    def __init__(self, trouble: str = "", blocks: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(Block(trouble) for _ in range(blocks))

    def compile_repeated_blocks(self, **options) -> None:
        for block in self.blocks:
            block.compile(**options)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            states = block(states)
        return states


def proof_of(module: nn.Module, **options):
    def step(batch: int) -> torch.Tensor:
        return module(torch.ones(batch, 4, 8))

    return prove(module, step, **({"backend": "eager"} | options))


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_blocks_that_run_compiled_are_counted_where_they_run():
    proof = proof_of(Chain())
    assert proof.problems == []
    assert proof.ran == {1: 3, 2: 3, 4: 3}
    assert proof.compiled[1] == 1
    assert proof.compiled[4] == 0
    assert proof.kinds == {"Block": 3}
    assert proof.eager_ms is not None
    assert proof.difference == 0


def test_a_graph_break_and_a_backend_that_fails_are_refused():
    broken = proof_of(Chain("break"))
    assert any("compilation failed" in problem for problem in broken.problems)
    assert broken.eager_ms is None

    def failing(graph, inputs):
        raise RuntimeError("no compiler for this card")

    (problem,) = proof_of(Chain(), backend=failing).problems
    assert "compilation failed" in problem
    assert "no compiler for this card" in problem
    # A graph counts only once it is made.
    counting = CountingBackend(failing)
    with pytest.raises(RuntimeError):
        counting(torch.fx.symbolic_trace(nn.ReLU()), [])
    assert (counting.made, counting.ran) == (0, 0)


def test_explain_says_of_each_kind_of_block_whether_it_is_one_graph():
    (whole,) = proof_of(Chain()).explained
    assert (whole.kind, whole.graphs, whole.breaks, whole.reasons) == ("Block", 1, 0, ())
    assert whole.whole
    proof = proof_of(Chain("break"))
    (broken,) = proof.explained
    assert (broken.graphs, broken.breaks) == (2, 1)
    assert not broken.whole
    (reason,) = broken.reasons
    assert reason
    assert proof.problems[0] == f"explain(): Block: 2 graphs, 1 breaks; {reason}"


@torch._dynamo.config.patch(suppress_errors=True)
def test_suppressed_errors_are_refused_before_anything_is_compiled():
    proof = proof_of(Chain())
    assert any("suppress_errors" in problem for problem in proof.problems)
    assert proof.compiled == {}
    with pytest.raises(PawfectError, match="suppress_errors"):
        compile_blocks(Chain())


def test_a_module_told_to_stay_eager_is_not_called_compiled():
    class Stubborn(Chain):
        def compile_repeated_blocks(self, **options) -> None:
            """Do as the disabled compiler of a debugging session does: nothing, in silence."""

    proof = proof_of(Stubborn())
    assert proof.problems == ["no graph was compiled: every block ran eager"]


def test_one_block_that_stays_eager_is_found():
    class Partly(Chain):
        def compile_repeated_blocks(self, **options) -> None:
            for block in list(self.blocks)[1:]:
                block.compile(**options)

    proof = proof_of(Partly())
    assert proof.problems[0] == "batch of 1: 1 of 3 blocks ran eager"


@torch._dynamo.config.patch(assume_static_by_default=True, automatic_dynamic_shapes=False)
def test_a_graph_for_every_batch_size_is_refused():
    proof = proof_of(Chain(), batches=(1, 2, 3, 4))
    assert sum(proof.compiled.values()) == 4
    assert "compiled anew for every batch size" in proof.problems[0]


def test_a_module_without_repeated_blocks_is_refused():
    assert repeated_blocks(nn.Linear(2, 2)) == []
    with pytest.raises(PawfectError, match="Linear names no repeated blocks"):
        compile_blocks(nn.Linear(2, 2))


@pytest.mark.slow
def test_a_block_compiled_for_this_processor_gives_the_same_numbers():
    proof = proof_of(Chain(blocks=1), backend="inductor", batches=(1,))
    assert proof.problems == []
    assert proof.ran == {1: 1}
    assert proof.difference < 1e-5


def invoke(*options):
    return CliRunner().invoke(compile_, options)


@pytest.mark.slow
def test_the_real_blocks_compile_whole_and_the_command_tells(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    good = invoke("--profile", "tiny", "--size", "64", "--backend", "eager")
    assert good.exit_code == 0, good.output
    assert "2 x FluxTransformerBlock, 2 x FluxSingleTransformerBlock" in good.output
    for batch in (1, 2, 4):
        assert f"batch of {batch}: " in good.output
    assert good.output.count("a step ran 4 compiled graphs for 4 blocks") == 3
    assert "every block of every step ran as a compiled graph" in good.output
    for kind in ("FluxTransformerBlock", "FluxSingleTransformerBlock"):
        assert f"torch._dynamo.explain(): {kind}: 1 graphs, 0 breaks" in good.output
    assert "weights: random" in good.output
    torch._dynamo.reset()
    with torch._dynamo.config.patch(suppress_errors=True):
        bad = invoke("--profile", "tiny", "--size", "64", "--backend", "eager")
    assert bad.exit_code == 1
    assert "NOT COMPILED" in bad.output


@pytest.mark.slow
def test_blocks_with_a_named_attention_compile_whole(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    tiny = load_profile("tiny")
    module, _ = transformer_of(tiny, "flux")
    use_attention(module, "math")
    proof = prove(module, steps_of("flux", module, tiny.flux, 4), backend="eager", batches=(1,))
    assert proof.problems == []
    assert all(one.whole for one in proof.explained)
    assert proof.ran == {1: 4}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "engine", "kinds"),
    [
        ("tiny-klein", "klein", ("Flux2TransformerBlock", "Flux2SingleTransformerBlock")),
        ("tiny-edit", "edit", ("QwenImageTransformerBlock",)),
    ],
)
def test_blocks_of_other_engines_compile_whole(profile, engine, kinds, tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    good = invoke("--profile", profile, "--size", "64", "--backend", "eager")
    assert good.exit_code == 0, good.output
    assert f"profile {profile}, {engine}: compile is off" in good.output
    assert ", ".join(f"2 x {kind}" for kind in kinds) in good.output
    assert "every block of every step ran as a compiled graph" in good.output


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--profile", "tinny", "expected one of"),
        ("--profile", "embedded", "has no denoising engine"),
        ("--engine", "klein", "expected one of flux, got klein"),
        ("--backend", "inducter", "is not one of"),
        ("--size", "1", "--size"),
    ],
)
def test_the_command_refuses_what_it_does_not_know(option, value, said):
    result = invoke(option, value)
    assert result.exit_code == 2
    assert said in result.output
