"""Whatever comes in, it works or it is refused in a sentence: prices, ``--given``, ``run.toml`` and the model file.

Here a fixed sample of each; ``make fuzz`` generates 25,000 new inputs for each test, and says how many there were.
"""

import codecs
import gzip
import hashlib
import json
import os
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from tsgan import TSGAN
from tsgan.cli.files import read_config
from tsgan.conditions import parse_given, understand
from tsgan.config import Config
from tsgan.datasets import read_covariates, read_prices
from tsgan.errors import TsganError, TsganWarning
from tsgan.store import read_model

INPUTS = os.environ.get("TSGAN_FUZZ")
fuzzed = settings(
    max_examples=int(INPUTS or 150),
    derandomize=INPUTS is None,
    database=None,
    deadline=timedelta(seconds=20),  # what takes so long hangs
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TENSORS, DOCUMENT = read_model(Path(__file__).parent / "fixtures" / "model-v1.tsgan")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "file"


def outcome(use: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what comes of a use, or None where it was refused as it should be."""
    refused: TsganError | None = None
    found = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", TsganWarning)
        try:
            found = use(*arguments, **options)
        except TsganError as error:
            refused = error
    event("works" if refused is None else f"refused: {type(refused).__name__}")
    assert refused is None or 20 < len(str(refused)) < 3000, refused
    return found


# prices --------------------------------------------------------------------------------------------------------------

NAMES = [
    "Date", "date", "Datetime", "time", "", " ", "Unnamed: 0", "SPY", "A", "A", "B", "Open", "High", "Low", "Close",
    "Adj Close", "Volume", "ticker", "Symbol", "price", "value", "<DATE>", "Société", "名前", "A" * 5000, "2020-01-01",
    "x,y", 'say "hi"', "a\nb", "=1+1", "nan", "1", "-",
]  # fmt: skip
LAYOUTS = [
    ["Date", "SPY"],
    ["Date", "SPY", "A"],
    ["date", "ticker", "close"],
    ["Date", "Open", "High", "Low", "Close", "Volume"],
]
DAYS = [
    "2020-01-0{}", "2020-01-0{} 09:30", "2020-01-0{}T09:30:00-05:00", "2020-10-25 02:3{}:00+01:00", "1677-09-2{}",
    "2300-01-0{}", "0001-01-0{}", "9999-12-0{}", "10000-01-0{}", "0{}/01/2020", "1{}/13/2020", "1.{}.20", "2020010{}",
    "157792320{}", "157792320{}000000000", "{}-Jan-2020", "Jan {}, 2020", "2020-13-0{}", "2020-0{}", "{}", "", "NaT",
    "-1577923{}", "9e18", "1e400", "99999999{}", "2020-01-0{} 25:61", "2020-02-3{}", "12/31/{}", "2020Q{}",
    "２０２０-01-0{}",
]  # fmt: skip
VALUES = [
    "1.5", "2", "1,234.5", "1.234,5", "1'234.50", "1 234,5", "-1", "0", "", " ", "nan", "NULL", "inf", "-inf", "1e400",
    "1e-400", "1e308", "5e-324", "1e", "--", ".", "n/k", "12%", "$3", "1.2M", "0x10", "1_000", "True", "٣", "½", "∞",
    "9" * 400, "x" * 5000, "2020-01-01", '"', "'", "\\", "\x00", "1,5", "1;5", "+1.5", "1.5-", "(1.5)", "−1", "1 .5",
]  # fmt: skip

digits = st.integers(0, 9).map(str)
days = st.builds(lambda form, digit: form.replace("{}", digit), st.sampled_from(DAYS), digits)
good = st.floats(0.5, 2.0).map(lambda x: f"{x:.4f}")
cells = st.one_of(good, good, st.sampled_from(VALUES), days, st.text(max_size=8))


@st.composite
def tables(draw: st.DrawFn) -> str:
    """Text of a table that is nearly one of prices: any part of it may be strange."""
    mark, end = draw(st.sampled_from(",,,;\t| ")), draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5))
    layout = draw(st.integers(0, 9))
    if layout < 4:
        names = LAYOUTS[layout]
    elif layout < 7:
        names[0] = "Date"
    form = draw(st.sampled_from(DAYS)) if draw(st.booleans()) else DAYS[0]
    rows, strange = draw(st.integers(0, 8)), draw(st.integers(0, 3))
    lines = [names]
    for row in range(rows):
        once = not strange and not draw(st.integers(0, 9))
        day = draw(days) if once else form.replace("{}", str(row + 1))
        width = draw(st.integers(0, 9)) if once else len(names)
        value = cells if strange < 2 else good
        lines.append([day, *(draw(value) for _ in range(width - 1))])
    quoted = draw(st.sampled_from(["", "", '"']))
    text = end.join(mark.join(f"{quoted}{cell}{quoted}" for cell in line) for line in lines)
    return draw(st.sampled_from(["", "", "", end, "# a title" + end, "sep=;" + end])) + text + end


@st.composite
def disturbed(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes of which some are others, doubled or gone."""
    for _ in range(draw(st.integers(0, 3))):
        at, length = draw(st.integers(0, max(len(content) - 1, 0))), draw(st.integers(0, 8))
        content = content[:at] + draw(st.binary(max_size=8)) + content[at + length :]
    return content


@st.composite
def price_files(draw: st.DrawFn) -> bytes:
    kind = draw(st.integers(0, 19))
    if kind == 0:
        return draw(st.sampled_from([b"", b"PAR1", b"PK\x03\x04", b"\x1f\x8b", codecs.BOM_UTF8])) + draw(st.binary())
    encoding = draw(
        st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252", "utf-32"])
    )
    content = draw(tables()).encode(encoding, errors="replace")
    if kind < 8:
        content = draw(disturbed(content))
    return gzip.compress(content) if kind == 8 else content


@fuzzed
@given(
    content=price_files(), missing=st.sampled_from(["error", "drop"]), columns=st.sampled_from([None, None, "A", "SPY"])
)
def test_prices(file: Path, content: bytes, missing: str, columns: str | None) -> None:
    file.write_bytes(content)
    prices = outcome(read_prices, file, missing=missing, columns=columns)
    if prices is not None:
        assert np.isfinite(prices.to_numpy()).all()
        assert (prices.to_numpy() > 0).all()
        assert prices.index.is_unique
        assert prices.index.is_monotonic_increasing
        assert prices.columns.is_unique


@fuzzed
@given(content=price_files())
def test_covariates(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    outcome(read_covariates, file)


# conditions ----------------------------------------------------------------------------------------------------------

WORDS = ["volatility", "trend", "return", "drawdown", "regime", "mood", "SPY", "SPY:volatility", "A:B:return", "", "x"]
SIGNS = ["=", "<=", ">=", "==", "<", "=>", " = ", "\n=", ""]
AMOUNTS = [
    "0.4",
    "-0.2",
    "0",
    "-1",
    "1",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "stressed",
    "1_0",
    "٣",
    "0,4",
    "40%",
    "9" * 400,
]
givens = st.one_of(
    st.builds("{}{}{}".format, st.sampled_from(WORDS), st.sampled_from(SIGNS), st.sampled_from(AMOUNTS)),
    st.builds("{}{}{}".format, st.sampled_from(WORDS), st.sampled_from(SIGNS[:3]), st.floats(-2, 2)),
    st.text(max_size=20),
)


@fuzzed
@given(texts=st.lists(givens, max_size=4), columns=st.sampled_from([["SPY"], ["SPY", "A:B"]]))
def test_conditions(texts: list[str], columns: list[str]) -> None:
    outcome(lambda: understand(parse_given(texts), columns, ["mood"]))


# settings ------------------------------------------------------------------------------------------------------------

SECTIONS = Config().to_dict()
KEYS = [(section, name) for section, table in SECTIONS.items() for name in table]
SCALARS = [
    "0", "1", "-1", "0.5", "1e400", "nan", "inf", "true", '""', '"conv"', "[]", "[1]", "[0.5, 0.9]", "[[1]]", "{}",
    "{a=1}", "9" * 30, "9" * 5000, "1979-05-27", "0x10", "1_000", "'bf16'", '"lstm"', "64", "128", "1e-300", "[1e400]",
    "[" * 2000,
]  # fmt: skip
entries = st.tuples(st.sampled_from(KEYS), st.sampled_from(SCALARS) | st.integers().map(str) | st.floats().map(str))


@st.composite
def toml_files(draw: st.DrawFn) -> bytes:
    if not draw(st.integers(0, 4)):
        return draw(st.binary() | st.text().map(lambda text: text.encode(errors="replace")))
    lines = []
    for (section, name), value in draw(st.lists(entries, max_size=4)):
        lines += [draw(st.sampled_from([f"[{section}]", f"[{section}]", f"[{name}]", ""])), f"{name} = {value}"]
    text = "\n".join(lines).encode()
    return draw(disturbed(text)) if draw(st.booleans()) else text


@fuzzed
@given(content=toml_files())
def test_settings(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    config = outcome(read_config, file)
    if config is not None:
        assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


# the model file ------------------------------------------------------------------------------------------------------

numbers = st.integers() | st.floats() | st.sampled_from([0, 1, -1, 2, 10**12, int("9" * 4000), 260, 259])
scalars = (
    st.none() | st.booleans() | numbers | st.text(max_size=8) | st.sampled_from(["us", "week", "step", "months", "end"])
)
trees = st.recursive(scalars, lambda t: st.lists(t, max_size=4) | st.dictionaries(st.text(max_size=8), t, max_size=3))
TYPES = [
    torch.float32,
    torch.float32,
    torch.float64,
    torch.float64,
    torch.int64,
    torch.bool,
    torch.int32,
    torch.bfloat16,
]
AMOUNT = st.sampled_from([0.0, 1.0, -1.0, 1e-30, 1e30, 1e300, float("nan"), float("inf"), 0.5, 2.0])


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to all parts of a JSON document."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for name, part in items for place in places(part, (*path, name)))]


ROWS = len(TENSORS["dates"])
PLACES = [place for place in places(DOCUMENT) if place]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    document = json.loads(json.dumps(DOCUMENT))
    for place in draw(st.lists(st.sampled_from(PLACES), max_size=2)):
        at: Any = document
        try:
            for name in place[:-1]:
                at = at[name]
            if draw(st.integers(0, 3)):
                at[place[-1]] = draw(trees)
            else:
                del at[place[-1]]
        except (KeyError, IndexError, TypeError):  # another change has taken it away
            pass
    return dict(document)


@st.composite
def weights(draw: st.DrawFn) -> dict[str, torch.Tensor]:
    tensors = dict(TENSORS)
    for name in draw(st.lists(st.sampled_from([*TENSORS, "other", "generator.other", "../x"]), max_size=2)):
        old = tensors.get(name, torch.zeros(1))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            tensors.pop(name, None)
        elif kind == 1:
            shape = draw(st.lists(st.integers(0, 5) | st.sampled_from([ROWS - 1, ROWS]), max_size=3))
            values = torch.full(shape, draw(AMOUNT), dtype=torch.float64) if np.prod(shape) < 1e5 else old
            tensors[name] = values.to(draw(st.sampled_from(TYPES)))
        elif kind == 2:
            tensors[name] = (old.double() * draw(AMOUNT)).to(old.dtype)
        elif old.numel():
            new = old.clone()
            new.view(-1)[draw(st.integers(0, old.numel() - 1))] = torch.tensor(draw(AMOUNT), dtype=torch.float64).to(
                old.dtype
            )
            tensors[name] = new
    return tensors


class Parts(NamedTuple):
    """Tensors and text of a model file; hypothesis shows this shorter."""

    both: tuple[dict[str, torch.Tensor], dict[str, Any]]

    def __repr__(self) -> str:
        tensors, document = self.both
        new = {name: tensor for name, tensor in tensors.items() if tensor is not TENSORS.get(name)}
        return f"{new} {sorted(set(TENSORS) - set(tensors))} {document}"[:5000]


@fuzzed
@given(parts=st.tuples(weights(), documents()).map(Parts), harm=st.integers(0, 9), more=st.data())
def test_models(file: Path, parts: Parts, harm: int, more: st.DataObject) -> None:
    tensors, document = parts.both
    zeros = "0" * 64
    content = save(tensors, {"format_version": "1", "tsgan": json.dumps(document), "checksum": zeros})
    if harm == 0:  # the text itself, where everything else is right
        size = int.from_bytes(content[:8], "little")
        header = more.draw(disturbed(content[8 : 8 + size]))
        content = len(header).to_bytes(8, "little") + header + content[8 + size :]
    file.write_bytes(content.replace(zeros.encode(), hashlib.sha256(content).hexdigest().encode(), 1))
    model = outcome(TSGAN.load, file, device="cpu")
    if model is not None:
        outcome(model.sample, 2, 3, random_state=0)
