"""The model file: any changed byte is refused, nothing is executed."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tsgan import TSGAN, ModelFileError
from tsgan.store import read_model, write_model

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1.5], dtype=torch.float64)}
DOCUMENT = {"columns": ["SPY"], "note": "σ"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_model(tmp_path / "m.tsgan", TENSORS, DOCUMENT)
    return tmp_path / "m.tsgan"


def test_round_trip(file: Path) -> None:
    tensors, document = read_model(file)
    assert document == DOCUMENT
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_the_same_content_is_the_same_bytes(file: Path, model: TSGAN, tmp_path: Path) -> None:
    first = file.read_bytes()
    for _ in range(20):  # safetensors orders metadata in one of six ways
        write_model(file, TENSORS, DOCUMENT)
        assert file.read_bytes() == first
    model.save(tmp_path / "one")
    TSGAN.load(tmp_path / "one", device="cpu").save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_every_changed_byte_is_refused(file: Path) -> None:
    content = file.read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 0x01
        file.write_bytes(changed)
        with pytest.raises(ModelFileError):
            read_model(file)


def test_every_truncation_is_refused(file: Path) -> None:
    content = file.read_bytes()
    for size in range(len(content)):
        file.write_bytes(content[:size])
        with pytest.raises(ModelFileError):
            read_model(file)
    file.write_bytes(content + b"\0")
    with pytest.raises(ModelFileError):
        read_model(file)


def test_newer_format_is_refused_by_name(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b'"format_version":"1"', b'"format_version":"9"'))
    with pytest.raises(ModelFileError, match=r"format version 9.*upgrade tsgan"):
        read_model(file)


def test_other_files_are_refused(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "plain.safetensors")
    (tmp_path / "text").write_text("date,SPY\n")
    torch.save(TENSORS, tmp_path / "pickle")
    for name in ("plain.safetensors", "text", "pickle"):
        with pytest.raises(ModelFileError):
            TSGAN.load(tmp_path / name)


def test_a_file_of_another_shape_is_refused(tmp_path: Path, model: TSGAN) -> None:
    model.save(tmp_path / "m.tsgan")
    tensors, document = read_model(tmp_path / "m.tsgan")
    document["columns"] = ["A", "B"]
    write_model(tmp_path / "m.tsgan", tensors, document)
    with pytest.raises(ModelFileError, match="does not hold what a model"):
        TSGAN.load(tmp_path / "m.tsgan")


def test_the_document_is_plain_json(tmp_path: Path, model: TSGAN) -> None:
    model.save(tmp_path / "m.tsgan")
    content = (tmp_path / "m.tsgan").read_bytes()
    size = int.from_bytes(content[:8], "little")
    document = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["tsgan"])
    assert document["columns"] == model.columns_
    assert document["fit"]["versions"]["torch"] == version("torch")
