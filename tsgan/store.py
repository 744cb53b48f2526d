"""The model file: safetensors weights, JSON, and a checksum over every byte. Nothing in it is ever executed.

The file is a safetensors file. Its metadata hold ``format_version``, ``tsgan`` (the JSON) and ``checksum``: the SHA-256
of the whole file with the checksum's own 64 characters set to zeros.
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


def write_model(path: str | PathLike[str], tensors: dict[str, Tensor], document: dict[str, Any]) -> None:
    """Write weights and their JSON document in one step; an earlier file stays whole until the new one is."""
    metadata = {"format_version": str(FORMAT_VERSION), "tsgan": json.dumps(document), "checksum": _BLANK}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save_tensors(plain, metadata)
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
    content = path.read_bytes()
    metadata = _metadata(path, content)
    version = metadata.get("format_version", "")
    if not version.isdecimal():
        raise ModelFileError(f"{path} is a safetensors file but no tsgan model; `tsgan fit` writes one")
    if int(version) > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format version {version}, this tsgan reads up to {FORMAT_VERSION}; upgrade tsgan to read it"
        )
    stored = metadata.get("checksum", "")
    if len(stored) != len(_BLANK) or _checksum(content.replace(stored.encode(), _BLANK.encode(), 1)) != stored:
        raise ModelFileError(f"{path} is damaged: its checksum does not fit its content; restore it or fit again")
    try:
        return load_tensors(content), json.loads(metadata["tsgan"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: {error}; restore it or fit again") from error


def _metadata(path: Path, content: bytes) -> dict[str, str]:
    size = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + size]) if 8 < 8 + size <= len(content) else None
    except (ValueError, RecursionError):
        header = None
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ModelFileError(f"{path} is not a tsgan model, or is damaged; `tsgan fit` writes one")
    return metadata


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
