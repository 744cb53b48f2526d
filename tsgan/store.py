"""The model file: safetensors weights, JSON, and a checksum over every byte. Nothing in it is ever executed.

The file is a safetensors file. Its metadata hold ``format_version``, ``tsgan`` (the JSON) and ``checksum``: the SHA-256
of the whole file with the checksum's own 64 characters set to zeros. What the parts hold is checked in
:mod:`tsgan.contents`.
"""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from tsgan.errors import ModelFileError
from tsgan.files import atomic_path

FORMAT_VERSION = 1
_BLANK = "0" * 64
# What text a file may have: parsed, it then takes less than 200 MB. A fit of 50,000 steps needs two thirds of it.
_HEADER_BYTES, _HEADER_VALUES = 2**24, 2**20


def write_model(path: str | PathLike[str], tensors: dict[str, Tensor], document: dict[str, Any]) -> None:
    """Write weights and their JSON document in one step; an earlier file stays whole until the new one is.

    Raises
    ------
    ModelFileError
        The document is longer than :func:`read_model` reads.
    """
    metadata = {"format_version": str(FORMAT_VERSION), "tsgan": json.dumps(document), "checksum": _BLANK}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = _ordered(save_tensors(plain, metadata))
    if not _is_readable(content[8 : 8 + _size(content)]):
        raise ModelFileError(
            f"{path} would hold more text than a model file may and was not written; train fewer steps"
        )
    with atomic_path(Path(path)) as partial:
        partial.write_bytes(content.replace(_BLANK.encode(), _checksum(content).encode(), 1))


def read_model(path: str | PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`write_model` wrote.

    Raises
    ------
    ModelFileError
        If the file is no model, of a newer format, or any byte of it has changed.
    """
    path = Path(path)
    with path.open("rb") as file:  # the whole of a large file only if it begins as a model does
        size = _size(file.read(8))
        metadata = _metadata(path, file.read(size) if size <= _HEADER_BYTES else b"")
        file.seek(0)
        content = file.read()
    version = metadata.get("format_version", "")
    if not version.isdecimal():
        raise ModelFileError(f"{path} is a safetensors file but no tsgan model; `tsgan fit` writes one")
    if len(version) > 9 or int(version) > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format version {version:.9}, this tsgan reads up to {FORMAT_VERSION}; upgrade tsgan to read it"
        )
    stored = metadata.get("checksum", "")
    if len(stored) != len(_BLANK) or _checksum(content.replace(stored.encode(), _BLANK.encode(), 1)) != stored:
        raise ModelFileError(f"{path} is damaged: its checksum does not fit its content; restore it or fit again")
    try:
        return load_tensors(content), _object(metadata["tsgan"].encode())
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:  # JSON too deep is a RuntimeError
        raise ModelFileError(f"{path} is damaged: {error}; restore it or fit again") from error


def _metadata(path: Path, header: bytes) -> dict[str, str]:
    try:
        metadata = _object(header).get("__metadata__")
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ModelFileError(f"{path} is not a tsgan model, or is damaged; `tsgan fit` writes one")
    return metadata


def _ordered(content: bytes) -> bytes:
    """Bytes of a safetensors file with its metadata in the order of their names, which safetensors leaves to chance."""
    size = _size(content)
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # numbers begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _size(content: bytes) -> int:
    """Size of the JSON that follows the first eight bytes."""
    return int.from_bytes(content[:8], "little")


def _is_readable(text: bytes) -> bool:
    """Whether JSON is small enough to be parsed, so that a few bytes a value cannot fill the memory."""
    values = sum(text.count(mark) for mark in (b",", b"[", b"{"))
    return len(text) <= _HEADER_BYTES and text.isascii() and values <= _HEADER_VALUES


def _object(text: bytes) -> dict[str, Any]:
    """Parse a JSON object of sensible size in which no name is given twice."""
    if not _is_readable(text):
        raise ValueError("its text is longer than that of a model")
    found = json.loads(text, object_pairs_hook=_unique)
    if not isinstance(found, dict):
        raise ValueError("its text is no JSON object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("its text gives a name twice")
    return values


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
