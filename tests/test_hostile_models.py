"""A model file from anybody: what no fit can have written is refused in a sentence, at once, with a right checksum too.

``fixtures/model-v1.tsgan`` was written by format version 1 from 260 business days of two simulated assets and a
category, with two adversarial steps; it is kept, so that what was once written can always be read.
"""

import copy
import hashlib
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save

from tsgan import TSGAN, ModelFileError
from tsgan.store import read_model

FIXTURE = Path(__file__).parent / "fixtures" / "model-v1.tsgan"
TENSORS, DOCUMENT = read_model(FIXTURE)
Tensors: TypeAlias = dict[str, torch.Tensor]
Change: TypeAlias = Callable[[Tensors, dict[str, Any]], object]


# the format ----------------------------------------------------------------------------------------------------------


def forged(tensors: Tensors, text: str, version: str = "1", kind: bytes = b"F64") -> bytes:
    """Return a model file with a right checksum, as anybody can make one; its numbers of 64 bits of another kind."""
    zeros = "0" * 64
    content = save(tensors, {"format_version": version, "tsgan": text, "checksum": zeros}).replace(b"F64", kind)
    return content.replace(zeros.encode(), hashlib.sha256(content).hexdigest().encode(), 1)


def with_header(header: bytes) -> bytes:
    """Return a safetensors file without tensors."""
    return len(header).to_bytes(8, "little") + header


def with_text(text: str, version: str = "1") -> bytes:
    return forged(TENSORS, text, version)


def changed(change: Change) -> bytes:
    tensors, document = dict(TENSORS), copy.deepcopy(DOCUMENT)
    change(tensors, document)
    return forged(tensors, json.dumps(document))


def test_a_file_of_version_1_gives_the_paths_that_it_gave() -> None:
    model = TSGAN.load(FIXTURE, device="cpu")
    assert model.columns_ == ["ONE", "TWO"]
    free = model.sample(2, 3, random_state=1)
    given = model.sample(2, 3, condition={"mood": "wild"}, random_state=1)
    assert list(free.dates) == list(pd.to_datetime(["2020-12-30", "2020-12-31", "2021-01-01"]))
    np.testing.assert_allclose(
        free.prices,
        [
            [[121.97485535, 96.06550906], [119.65242625, 93.22733729], [121.28903026, 92.63991499]],
            [[132.42167443, 97.52044897], [134.59216121, 94.54212773], [131.02887100, 95.10055335]],
        ],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        given.prices,
        [
            [[121.86114446, 96.10916854], [119.43942429, 93.36855636], [121.35453613, 92.19384004]],
            [[132.08421289, 97.64081080], [134.27684121, 94.86294648], [130.76173654, 95.40767401]],
        ],
        rtol=1e-5,
    )


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damage_anywhere_is_refused(damage: str, tmp_path: Path) -> None:
    content = FIXTURE.read_bytes()
    for position in range(0, len(content), 101):
        harmed = bytearray(content if damage == "flip" else content[:position])
        if damage == "flip":
            harmed[position] ^= 1 << position % 8
        (tmp_path / "m.tsgan").write_bytes(harmed)
        with pytest.raises(ModelFileError):
            read_model(tmp_path / "m.tsgan")


# hostile contents ----------------------------------------------------------------------------------------------------


def put(*path: Any) -> Change:
    """Return a change that puts the last of a path where the others lead."""
    *names, last, value = path

    def change(_: Tensors, document: dict[str, Any]) -> None:
        at: Any = document
        for name in names:
            at = at[name]
        at[last] = value

    return change


def tensor(name: str, value: torch.Tensor) -> Change:
    return lambda tensors, _: tensors.update({name: value})


def times(name: str, factor: float) -> Change:
    return lambda tensors, _: tensors.update({name: tensors[name] * factor})


def plus(name: str, shift: float) -> Change:
    return lambda tensors, _: tensors.update({name: tensors[name] + shift})


def with_item(name: str, value: float) -> Change:
    """Return a change of the last number of a tensor."""

    def change(tensors: Tensors, _: dict[str, Any]) -> None:
        values = tensors[name].clone()
        values.view(-1)[-1] = value
        tensors[name] = values

    return change


def wide(tensors: Tensors, document: dict[str, Any]) -> None:
    """Many assets, without the numbers that they would need."""
    document["columns"] = [f"A{i}" for i in range(100_000)]
    tensors["last_price"] = torch.ones(100_000, dtype=torch.float64)


HUGE, MANY = 10**12, int("9" * 4000)
ROWS = len(TENSORS["dates"])
COVARIATE = DOCUMENT["covariates"][0]
CHANGES: dict[str, Change] = {
    "tensor lost": lambda tensors, _: tensors.pop("generator.skew"),
    "dates lost": lambda tensors, _: tensors.pop("dates"),
    "tensor too many": tensor("generator.backdoor", torch.zeros(1)),
    "tensor with a path as its name": tensor("../../.ssh/authorized_keys", torch.zeros(1)),
    "tensor of another shape": tensor("generator.output", torch.zeros(2, 1, 16)),
    "scalar dates": tensor("dates", torch.tensor(0)),
    "no rows": tensor("dates", torch.zeros(0, dtype=torch.int64)),
    "empty and endless": tensor("returns", torch.zeros((0, 2**40), dtype=torch.float64)),
    "weights of 64 bits": lambda tensors, _: tensors.update({"generator.skew": tensors["generator.skew"].double()}),
    "whole numbers as returns": lambda tensors, _: tensors.update({"returns": tensors["returns"].long()}),
    "weight that is no number": with_item("generator.hidden", float("nan")),
    "infinite return": with_item("returns", float("inf")),
    "impossible return": with_item("returns", 1e300),
    "noise that is no number": with_item("noise.scores", float("nan")),
    "covariate that is no number": with_item("covariates", float("nan")),
    "price of nothing": with_item("last_price", 0.0),
    "no return but zero": times("returns", 0.0),
    "tail of nothing": with_item("generator.tail", 1e38),
    "momentum without end": with_item("generator.momentum", 1e38),
    "level without end": with_item("generator.neutral", -1e30),
    "volatility of nothing": plus("generator.neutral", 30.0),
    "ceiling of nothing": plus("generator.top", -30.0),
    "volatility without end": times("generator.output", -30.0),
    "drift without end": times("generator.drift", 1e4),
    "momentum that grows": plus("generator.momentum", 5.0),
    "noise without end": times("noise.factor", 1e30),
    "covariate without end": times("generator.guidance.level", 1e30),
    "mean of a covariate without end": times("generator.guidance.mean", 1e30),
    "half-lives of others": times("generator.decay", 0.9),
    "noise of one value": times("noise.scores", 0.0),
    "dates backward": lambda tensors, _: tensors.update({"dates": tensors["dates"].flip(0)}),
    "date after 9999": with_item("dates", 2**62),
    "last date no date": with_item("dates", -(2**63)),  # differences of it wrap around
    "date before Christ": lambda tensors, _: tensors.update({"dates": tensors["dates"] - 2**62}),
    "huge width": put("config", "generator", "width", 10**9),
    "endless width": put("config", "generator", "width", MANY),
    "endless half-life": put("config", "generator", "half_lives", [MANY] * 10),
    "many half-lives": put("config", "generator", "half_lives", [1.0] * 200_000),
    "unknown setting": put("config", "generator", "run", "rm"),
    "configuration that is a list": put("config", []),
    "section that is a list": put("config", "training", [1, 2]),
    "columns lost": lambda _, document: document.pop("columns"),
    "no columns": put("columns", []),
    "many columns": wide,
    "columns twice": put("columns", ["ONE", "ONE"]),
    "columns that are numbers": put("columns", [1, 2]),
    "parameter that a file does not set": put("parameters", "devices", 64),
    "parameter of another type": put("parameters", "random_state", "seed"),
    "endless year": put("parameters", "periods_per_year", MANY),
    "huge calendar": put("calendar", "runs", [[0, 1, HUGE]]),
    "huge calendar in parts": put("calendar", "runs", [[i, 1, 2**20] for i in range(64)]),
    "calendar backward": put("calendar", "runs", [[86_400_000_000, -86_400_000_000, 2]]),
    "calendar of nothing": put("calendar", "runs", []),
    "calendar of texts": put("calendar", "runs", ["abc"]),
    "calendar of another unit": put("calendar", "unit", ["fortnight"]),
    "calendar of another kind": put("calendar", "kind", "moon"),
    "calendar of no step": put("calendar", {"kind": "step", "step": 0, "regular": True, "unit": "us"}),
    "calendar of no month": put("calendar", {"kind": "months", "step": 0, "phase": 0, "day": "end", "unit": "us"}),
    "covariates without end": put("covariates", [[f"c{i}", ["a", "b"], False] for i in range(64)]),
    "covariates twice": put("covariates", [COVARIATE, COVARIATE]),
    "categories without end": put("covariates", [["c", [str(i) for i in range(100_000)], False]]),
    "covariate of nothing": put("covariates", [[]]),
    "covariates of null": put("covariates", None),
    "covariates of another type": put("covariates", {"mood": 1}),
    "covariate that does not vary": put("covariates", [["mood", None, False, 0.0, 0, 0.0, 0.0]]),
    "endless covariate": put("covariates", [["mood", None, False, MANY, 1.0, 0.0, 0.0]]),
    "more fitted rows than rows": put("fit", "fitted_rows", ROWS + 1),
    "huge number of fitted rows": put("fit", "fitted_rows", HUGE),
    "negative number of fitted rows": put("fit", "fitted_rows", -5),
    "fitted rows that are a truth": put("fit", "fitted_rows", True),
    "other number of fitted rows": put("fit", "fitted_rows", ROWS - 1),
    "verdict of numbers": put("fit", "verdict", [1, 2]),
    "seed of text": put("fit", "seed", "0"),
}
FILES: dict[str, Callable[[], bytes]] = {
    "text that is no JSON": lambda: with_text("{"),
    "text that is a list": lambda: with_text("[]"),
    "text that is null": lambda: with_text("null"),
    "no text": lambda: with_text(""),
    "nested text": lambda: with_text('{"config":' + "[" * 500_000 + "]" * 500_000 + "}"),
    "name twice": lambda: with_text('{"columns": ["A"], ' + json.dumps(DOCUMENT)[1:]),
    "number beyond all": lambda: with_text(json.dumps(DOCUMENT).replace('"blur": 0.2', '"blur": 1e400')),
    "not a number": lambda: with_text(json.dumps(DOCUMENT).replace('"blur": 0.2', '"blur": NaN')),
    "number of 5,000 digits": lambda: with_text(json.dumps(DOCUMENT).replace('"width": 16', '"width": ' + "9" * 5000)),
    "90 MB of text": lambda: with_text(json.dumps({**DOCUMENT, "more": "x" * (9 * 10**7)})),
    "16 MB of empty lists": lambda: with_text('{"config":[' + "[]," * 5_000_000 + "[]]}"),
    "3 MB of empty lists": lambda: with_text('{"config":[' + "[]," * 1_000_000 + "[]]}"),
    "empty lists behind escapes": lambda: with_header(
        b'{"__metadata__":{"format_version":"1","tsgan":"{}","x":"' + rb"\u005b\u005d\u002c" * 900_000 + b'"}}'
    ),
    "newer version": lambda: with_text(json.dumps(DOCUMENT), "2"),
    "endless version": lambda: with_text(json.dumps(DOCUMENT), "9" * 5000),
    "version of text": lambda: with_text(json.dumps(DOCUMENT), "1.0"),
    "complex numbers": lambda: forged(TENSORS, json.dumps(DOCUMENT), kind=b"C64"),
    "header that is longer than the file": lambda: (2**63 - 1).to_bytes(8, "little") + b"{}",
    "header of 2 MB": lambda: (2**21).to_bytes(8, "little") + b"{}",
    "header that is a list": lambda: with_header(b"[]"),
    "nested header": lambda: with_header(b'{"__metadata__":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "metadata of numbers": lambda: with_header(b'{"__metadata__":{"format_version":1}}'),
    "shape beyond the file": lambda: FIXTURE.read_bytes().replace(b'"shape":[2,30,16]', b'"shape":[9,99,99]'),
    "nothing": lambda: b"",
    "pickle": lambda: b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    "zeros": lambda: bytes(10_000_000),
} | {name: lambda change=change: changed(change) for name, change in CHANGES.items()}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    file = tmp_path / "hostile.tsgan"
    file.write_bytes(FILES[name]())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ModelFileError) as caught:
            TSGAN.load(file, device="cpu")
    assert str(caught.value).startswith(str(file))
    assert len(str(caught.value)) < len(str(file)) + 500
    assert "\n" not in str(caught.value)
    if name in CHANGES:
        assert "does not hold what a model" in str(caught.value)


def test_a_change_that_is_harmless_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.tsgan").write_bytes(changed(put("fit", "note", "of somebody")))
    assert TSGAN.load(tmp_path / "m.tsgan", device="cpu").fit_["note"] == "of somebody"


LOADING = """
    import resource, sys, time
    from pathlib import Path
    from tsgan import TSGAN, ModelFileError

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    good, *hostile = map(Path, sys.argv[1:])
    TSGAN.load(good, device="cpu")
    before = peak()
    for file in hostile:
        start = time.perf_counter()
        try:
            TSGAN.load(file, device="cpu")
            print(file.stem, "was loaded")
        except ModelFileError:
            pass
        seconds = time.perf_counter() - start
        if seconds > 20:
            print(file.stem, "took", seconds)
    print("MiB", peak() - before)
"""


def test_refusing_takes_neither_time_nor_memory(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    files = [tmp_path / f"{name}.tsgan" for name in FILES]
    for file in files:
        file.write_bytes(FILES[file.stem]())
    code = "\n".join(line[4:] for line in LOADING.splitlines())
    command = [sys.executable, "-c", code, str(FIXTURE), *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    found = re.fullmatch(r"MiB (\d+)\n", run.stdout)
    assert found, run.stdout
    assert int(found[1]) < 200
