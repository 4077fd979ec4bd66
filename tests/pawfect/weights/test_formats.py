"""What a file is by its own bytes: the libraries' own files as oracles, cut off anywhere."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import gguf
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from pawfect.weights.formats import is_pickle, mistaken
from pawfect.weights.gguf_header import BLOCKS, gguf_size


def safetensors(path: Path) -> Path:
    tensors = {"a": np.arange(60, dtype=np.float32), "b": np.zeros((3, 5), np.int8)}
    save_file(tensors, path, metadata={"format": "pt"})
    return path


def ggufs(path: Path) -> Path:
    writer = gguf.GGUFWriter(path, "flux")
    writer.add_array("tokenizer.tokens", ["one", "two", "three"])
    writer.add_array("numbers", [1, 2, 3])
    writer.add_float32("scale", 0.5)
    writer.add_custom_alignment(64)
    writer.add_tensor("plain", np.arange(33, dtype=np.float32))
    rows = gguf.quants.quantize(np.ones((4, 64), np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("rows", rows, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def onnxes(path: Path) -> Path:
    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [4])

    weights = helper.make_tensor("w", TensorProto.FLOAT, [4], [1.0, 2.0, 3.0, 4.0])
    node = helper.make_node("Add", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", [value("x")], [value("y")], [weights])
    onnx.save(helper.make_model(graph, producer_name="pawfect"), path)
    return path


WRITERS = {"m.safetensors": safetensors, "m.gguf": ggufs, "m.onnx": onnxes}


@pytest.mark.parametrize("name", WRITERS)
def test_what_the_libraries_write_is_taken_for_what_it_is(tmp_path, name):
    path = WRITERS[name](tmp_path / name)
    assert mistaken(path, name) is None


def test_no_file_of_the_tiny_checkpoints_is_mistaken(tiny_weights):
    files = [path for path in tiny_weights.glob("tiny-*/**/*") if path.is_file()]
    assert {".safetensors", ".onnx", ".json"} <= {path.suffix for path in files}
    assert {path.name: found for path in files if (found := mistaken(path, path.name))} == {}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_was_cut_off_anywhere_is_found(tmp_path, name):
    whole = WRITERS[name](tmp_path / name).read_bytes()
    # A GGUF file may be filled up behind its last tensor: what is cut off there is no loss.
    with (tmp_path / name).open("rb") as file:
        needed = gguf_size(file) if name == "m.gguf" else len(whole)
    cut = tmp_path / f"cut-{name}"
    for length in range(needed):
        cut.write_bytes(whole[:length])
        assert mistaken(cut, name), length
    cut.write_bytes(whole[: needed - 1])
    assert "cut off" in mistaken(cut, name)


@pytest.mark.parametrize("name", WRITERS)
def test_one_format_is_not_taken_for_another(tmp_path, name):
    for other, write in WRITERS.items():
        path = write(tmp_path / f"given-{other}")
        assert (mistaken(path, name) is None) is (name == other)


def test_a_safetensors_file_with_bytes_behind_its_tensors_is_refused(tmp_path):
    path = safetensors(tmp_path / "m.safetensors")
    path.write_bytes(path.read_bytes() + b"more")
    assert mistaken(path, path.name) == "4 bytes more than its header tells of"


def test_the_size_of_a_gguf_file_is_that_of_the_writers(tmp_path):
    path = ggufs(tmp_path / "m.gguf")
    with path.open("rb") as file:
        size = gguf_size(file)
    # Filled up to its alignment, 64.
    assert size <= path.stat().st_size < size + 64


def test_ggmls_blocks_are_those_of_the_gguf_package():
    known = {int(kind): sizes for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert {kind: known[kind] for kind in BLOCKS} == dict(BLOCKS)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:6d06\nsize 3439938512\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (LFS, "a Git LFS pointer"),
        (b"\n  <!DOCTYPE html><html>Sign in</html>", "a web page (HTML)"),
        (b"<html><body>403</body></html>", "a web page (HTML)"),
        (b'<?xml version="1.0"?><Error>AccessDenied</Error>', "an XML message"),
        (gzip.compress(b"weights", mtime=0), "an archive; unpack it first"),
        (b"\x80\x04\x95", "a pickle"),
    ],
)
@pytest.mark.parametrize("name", ["m.safetensors", "m.gguf", "m.onnx", "m.json", "merges.txt"])
def test_what_downloads_leave_in_place_of_a_file_is_named(tmp_path, content, said, name):
    (tmp_path / "given").write_bytes(content)
    assert mistaken(tmp_path / "given", name).startswith(said)


@pytest.mark.parametrize("name", WRITERS)
def test_a_servers_refusal_in_plain_words_is_quoted(tmp_path, name):
    (tmp_path / "given").write_bytes(b"Invalid username or password.\n")
    found = mistaken(tmp_path / "given", name)
    assert found == "text, not weights: 'Invalid username or password.'"


@pytest.mark.parametrize("name", WRITERS)
def test_other_bytes_are_something_else(tmp_path, name):
    (tmp_path / "given").write_bytes(bytes(4096))
    assert mistaken(tmp_path / "given", name) == "something else"


def test_torchs_own_files_are_pickles_by_any_name(tmp_path):
    torch.save({"w": torch.zeros(3)}, tmp_path / "model.safetensors")
    assert mistaken(tmp_path / "model.safetensors", "model.safetensors").startswith("a pickle")
    assert is_pickle(tmp_path / "model.safetensors")
    assert not is_pickle(tmp_path / "nothing")


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [1]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, "x"]}},
        {"a": 7},
    ],
)
def test_a_safetensors_header_that_is_none_is_damaged(tmp_path, header):
    text = json.dumps(header).encode()
    (tmp_path / "m").write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    assert mistaken(tmp_path / "m", "m.safetensors") == "a damaged header"


def test_json_is_read_and_other_texts_are_left_alone(tmp_path):
    (tmp_path / "given").write_bytes(b'{"a": 1')
    assert mistaken(tmp_path / "given", "config.json") == "no JSON (JSONDecodeError)"
    assert mistaken(tmp_path / "given", "merges.txt") is None
    (tmp_path / "given").write_bytes(b'{"a": 1}')
    assert mistaken(tmp_path / "given", "config.json") is None


def test_headers_without_an_end_or_a_bottom_are_damaged(tmp_path):
    header = b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, Infinity]}}'
    (tmp_path / "m").write_bytes(len(header).to_bytes(8, "little") + header)
    assert mistaken(tmp_path / "m", "m.safetensors") == "a damaged header"
    deep = b'{"a":' * 100_000
    (tmp_path / "m").write_bytes(len(deep).to_bytes(8, "little") + deep)
    assert mistaken(tmp_path / "m", "m.safetensors") == "a damaged header"
    nested = struct.pack("<IQ", 9, 1) * 3000
    start = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k"
    (tmp_path / "m").write_bytes(start + struct.pack("<I", 9) + nested)
    assert mistaken(tmp_path / "m", "m.gguf") == "a damaged header"
