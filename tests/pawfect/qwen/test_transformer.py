"""One denoising step against diffusers' own module as its pipelines call it, batched and alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import QwenImageTransformer2DModel

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.diffusion.batch import answer_steps
from pawfect.qwen.transformer import Transformer
from pawfect_export.tiny.edit import build
from tests.refusals import refusal

HOW = {"device": "cpu", "dtype": "float32"}
GRID = (3, 4)
REFERENCES = ((2, 5), (4, 2))

Step = dict[str, np.ndarray]


def step(
    seed: int, text: int = 9, negative: int | None = 6, references=REFERENCES, guidance: float = 4.0
) -> Step:
    """Make a request's step at a timestep of its own."""
    rng = np.random.default_rng(seed)

    def tokens(*grids: tuple[int, int]) -> np.ndarray:
        return rng.standard_normal((sum(r * c for r, c in grids), 64), np.float32)

    def embeds(length: int) -> np.ndarray:
        return rng.standard_normal((length, 64)).astype(np.float16)

    made = {
        "LATENTS": tokens(GRID),
        "PROMPT_EMBEDS": embeds(text),
        "TIMESTEP": rng.uniform(1, 1000, 1).astype(np.float32),
        "GUIDANCE": np.array([guidance], np.float32),
        "GRID": np.array(GRID, np.int32),
    }
    if negative is not None:
        made["NEGATIVE_EMBEDS"] = embeds(negative)
    if references:
        made["REFERENCES"] = tokens(*references)
        made["REFERENCE_GRIDS"] = np.array(references, np.int32)
    return made


def by_diffusers(module: torch.nn.Module, given: Step) -> np.ndarray:
    """The velocity as diffusers' pipelines have their own module compute it, branch by branch."""
    tensors = {name: torch.tensor(array)[None].float() for name, array in given.items()}
    grids = [given["GRID"], *given.get("REFERENCE_GRIDS", ())]
    picture = tensors["LATENTS"]
    if "REFERENCES" in given:
        picture = torch.cat([picture, tensors["REFERENCES"]], dim=1)

    def branch(text: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            flow = module(
                hidden_states=picture,
                timestep=tensors["TIMESTEP"][0] / 1000,
                guidance=None,
                encoder_hidden_states_mask=None,
                encoder_hidden_states=text,
                img_shapes=[[(1, *map(int, grid)) for grid in grids]],
                attention_kwargs={},
                return_dict=False,
            )[0]
        return flow[:, : len(given["LATENTS"])]

    flow, scale = branch(tensors["PROMPT_EMBEDS"]), float(given["GUIDANCE"][0])
    if "NEGATIVE_EMBEDS" in given and scale > 1:
        other = branch(tensors["NEGATIVE_EMBEDS"])
        mixed = other + scale * (flow - other)
        norms = torch.norm(flow, dim=-1, keepdim=True), torch.norm(mixed, dim=-1, keepdim=True)
        flow = mixed * (norms[0] / norms[1])
    return flow[0].numpy()


@pytest.fixture(scope="module")
def modules(folders, tmp_path_factory) -> dict[str, tuple[Transformer, torch.nn.Module]]:
    """Ours and diffusers' own, of Qwen-Image-Edit and of 2511, whose references are at time 0."""
    later = tmp_path_factory.mktemp("later")
    build(later, seed=1, sizes={"transformer": {"zero_cond_t": True}})
    loaded = {}
    for name, folder in (("edit", folders["edit"]), ("2511", later)):
        theirs = QwenImageTransformer2DModel.from_pretrained(
            folder / "transformer", torch_dtype=torch.float32, low_cpu_mem_usage=False
        )
        loaded[name] = Transformer.load(folder, **HOW), theirs
    return loaded


def flows(transformer: Transformer, *steps: Step) -> list[np.ndarray]:
    answers = answer_steps(transformer, steps)
    assert not [answer for answer in answers if isinstance(answer, PawfectError)]
    return [answer["VELOCITY"] for answer in answers]


GUIDED, PLAIN, LONG = step(1), step(2, negative=None), step(3, text=21, negative=30)


@pytest.mark.parametrize("name", ["edit", "2511"])
@pytest.mark.parametrize(
    "given",
    [
        GUIDED,
        PLAIN,
        step(4, negative=9),
        step(5, guidance=1.0),
        step(6, references=()),
        step(7, references=((6, 6),)),
    ],
    ids=["guided", "plain", "texts of one length", "guidance 1", "no references", "one reference"],
)
def test_a_step_equals_the_pipelines_calls_of_the_module(modules, name, given):
    ours, theirs = modules[name]
    (flow,) = flows(ours, given)
    assert flow.dtype == np.float32
    np.testing.assert_allclose(flow, by_diffusers(theirs, given), atol=2e-5)


@pytest.mark.parametrize("name", ["edit", "2511"])
def test_a_batch_of_four_equals_its_items_one_by_one(modules, name):
    ours, steps = modules[name][0], (GUIDED, PLAIN, LONG, step(8, guidance=1.0))
    together = flows(ours, *steps)
    for flow, given in zip(together, steps, strict=True):
        np.testing.assert_allclose(flow, flows(ours, given)[0], atol=2e-5)
    for flow, again in zip(together, flows(ours, *steps), strict=True):
        np.testing.assert_array_equal(flow, again)


def test_steps_of_one_grid_are_one_batch_of_both_branches(modules):
    ours = modules["edit"][0]
    rows = []
    hook = ours.module.img_in.register_forward_hook(lambda _, given, __: rows.append(len(given[0])))
    flows(ours, GUIDED, PLAIN, LONG, step(9, references=()))
    hook.remove()
    assert rows == [5, 2]


@pytest.mark.parametrize("name", ["LATENTS", "PROMPT_EMBEDS", "NEGATIVE_EMBEDS", "REFERENCES"])
def test_every_input_reaches_the_velocity_of_its_own_item_only(modules, name):
    ours = modules["edit"][0]
    before = flows(ours, GUIDED, LONG)
    changed = LONG | {name: LONG[name] + np.random.default_rng(0).normal(size=LONG[name].shape)}
    after = flows(ours, GUIDED, changed)
    np.testing.assert_array_equal(after[0], before[0])
    assert np.abs(after[1] - before[1]).max() > 1e-3


def test_read_only_inputs_are_taken_and_left_alone(modules):
    copies = {name: np.copy(array) for name, array in GUIDED.items()}
    for array in GUIDED.values():
        array.setflags(write=False)
    flows(modules["edit"][0], GUIDED)
    for name, array in GUIDED.items():
        np.testing.assert_array_equal(array, copies[name])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near_single(folders, modules, dtype):
    half = Transformer.load(folders["edit"], device="cpu", dtype=dtype)
    # Exact in bfloat16, whose rounding of other timesteps is part of the model.
    given = GUIDED | {"TIMESTEP": np.array([500], np.float32)}
    (ours,), (whole,) = flows(half, given), flows(modules["edit"][0], given)
    assert np.abs(ours - whole).max() < {"float16": 0.05, "bfloat16": 0.4}[dtype]


WHOLE = step(10)
BROKEN = WHOLE["PROMPT_EMBEDS"].copy()
BROKEN[2, 3] = np.inf


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"LATENTS": WHOLE["LATENTS"][:, :63]}, "LATENTS: expected shape [-1, 64]"),
        (
            {"LATENTS": WHOLE["LATENTS"][:11]},
            "LATENTS: expected 12 tokens for a grid of 3x4, got 11",
        ),
        ({"LATENTS": WHOLE["LATENTS"] * np.inf}, "LATENTS: expected finite"),
        ({"PROMPT_EMBEDS": WHOLE["PROMPT_EMBEDS"][:, :63]}, "PROMPT_EMBEDS: expected shape"),
        ({"PROMPT_EMBEDS": WHOLE["PROMPT_EMBEDS"][:0]}, "PROMPT_EMBEDS: expected shape"),
        ({"PROMPT_EMBEDS": BROKEN}, "PROMPT_EMBEDS: expected finite"),
        (
            {"PROMPT_EMBEDS": np.ones((4095, 64), np.float16)},
            "PROMPT_EMBEDS: expected at most 4094",
        ),
        ({"NEGATIVE_EMBEDS": WHOLE["NEGATIVE_EMBEDS"][0]}, "NEGATIVE_EMBEDS: expected shape"),
        ({"NEGATIVE_EMBEDS": BROKEN}, "NEGATIVE_EMBEDS: expected finite"),
        ({"TIMESTEP": np.float32([0])}, "TIMESTEP: expected above 0 to 1000, got 0"),
        ({"TIMESTEP": np.float32([np.nan])}, "TIMESTEP: expected finite"),
        ({"GUIDANCE": np.float32([-1])}, "GUIDANCE: expected 0 or more, finite, got -1"),
        ({"GUIDANCE": np.float32([np.inf])}, "GUIDANCE: expected 0 or more, finite"),
        ({"GRID": np.int32([-3, -4])}, "GRID: expected positive"),
        ({"GRID": np.int32([3, 5])}, "LATENTS: expected 15 tokens"),
        ({"REFERENCES": WHOLE["REFERENCES"][1:]}, "18 tokens for grids of 2x5, 4x2, got 17"),
        ({"REFERENCES": WHOLE["REFERENCES"] * np.nan}, "REFERENCES: expected finite"),
        ({"REFERENCE_GRIDS": np.int32([[2, 5], [0, 2]])}, "REFERENCE_GRIDS: expected positive"),
        (
            {"REFERENCE_GRIDS": np.zeros((0, 2), np.int32)},
            "REFERENCE_GRIDS: expected positive rows and columns",
        ),
        ({"REFERENCES": None}, "REFERENCES, REFERENCE_GRIDS: expected both or neither"),
        ({"REFERENCE_GRIDS": None}, "REFERENCES, REFERENCE_GRIDS: expected both or neither"),
        ({"LATENTS": None}, "LATENTS: expected FP32 [-1, 64], got nothing"),
    ],
)
def test_a_wrong_tensor_is_named_and_fails_no_other_request(modules, change, says):
    given = {name: array for name, array in (WHOLE | change).items() if array is not None}
    wrong, right = answer_steps(modules["edit"][0], [given, GUIDED])
    assert isinstance(wrong, PawfectError)
    assert wrong.kind is ErrorKind.INVALID_ARG
    assert says in wrong.message
    assert isinstance(right, dict)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("config.json", {"in_channels": 132}, "in_channels: expected 64, got 132"),
        ("config.json", {"guidance_embeds": True}, "guidance_embeds: expected none, got True"),
        ("config.json", {"use_layer3d_rope": True}, "use_layer3d_rope: expected none"),
        ("config.json", {"_class_name": "FluxTransformer2DModel"}, "got FluxTransformer2DModel"),
        ("config.json", {"num_layers": 3}, "missing"),
        ("config.json", {"axes_dims_rope": [8, 12]}, "settings that build the module"),
        ("diffusion_pytorch_model.safetensors.index.json", None, "diffusion_pytorch_model"),
        ("diffusion_pytorch_model-00002-of-00003.safetensors", None, "00002-of-00003"),
    ],
)
def test_a_missing_or_damaged_file_is_unavailable(folders, tmp_path, name, change, says):
    folder = Path(shutil.copytree(folders["edit"], tmp_path / "qwen"))
    path = folder / "transformer" / name
    if change is None:
        path.unlink()
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    message = refusal(ErrorKind.UNAVAILABLE, Transformer.load, folder, **HOW)
    assert says in message
    assert str(tmp_path) not in message
