"""Fuzzing that follows the branches of the readers: ``make fuzz`` runs it where atheris is installed.

``python tests/guided_fuzz.py prices -max_total_time=300``: one of the targets below, and options of libFuzzer. It ends
at the first input that is neither used nor refused in a sentence, with its traceback, and keeps it in ``.fuzz/``.
"""

import hashlib
import json
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tsgan", "tomllib"]):
    from tsgan import TSGAN, TsganError, TsganWarning
    from tsgan.cli.files import read_config
    from tsgan.conditions import parse_given, understand
    from tsgan.config import Config
    from tsgan.datasets import read_covariates, read_prices

MODEL = (Path(__file__).parent / "fixtures" / "model-v1.tsgan").read_bytes()
SIZE = int.from_bytes(MODEL[:8], "little")
HEADER = json.loads(MODEL[8 : 8 + SIZE])
TEXT = HEADER.pop("__metadata__")["tsgan"].encode()
TENSORS = json.dumps(HEADER).replace("{", ",", 1).encode()
BLANK = b"0" * 64
TABLES = [
    b"Date,SPY,A\n2020-01-01,1.5,2\n2020-01-02,1.6,2\n2020-01-03,1.5,3\n",
    b'"date";"ticker";"close"\r\n01.02.2020;A;1.234,5\r\n02.02.2020;A;1.235,5\r\n13.02.2020;A;"1.236,5"\r\n',
    b"Date,Open,High,Low,Close,Adj Close,Volume\n2020-01-02,1,2,1,2,2,9\n2020-01-03,2,3,2,3,3,9\n",
    b"Price,Close,Close\nTicker,A,B\nDate,,\n2020-01-02 09:30:00-05:00,1,2\n2020-01-02 09:31:00-05:00,2,3\n",
    b"1577923200 1.5\n1578009600 1.6\n",
]
SETTINGS = "".join(
    f"[{name}]\n" + "".join(f"{key} = {value!r}\n".replace("None", "0.5") for key, value in table.items())
    for name, table in Config().to_dict().items()
)
CONDITIONS = [b"volatility=0.4", b"SPY:return<=-0.2\ndrawdown>=0.1", b"regime=stressed\nmood=calm", b"A:B:return=0.1"]


def prices(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    read_prices(file, missing="drop" if content[-1:] == b"\n" else "error")


def covariates(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    read_covariates(file)


def settings(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    read_config(file)


def conditions(_: Path, content: bytes) -> None:
    texts = content.decode(errors="surrogateescape").split("\n")
    understand(parse_given(texts), ["SPY", "A:B"], ["mood"])


def models(file: Path, content: bytes) -> None:
    """Read bytes as the header, the text or the numbers of a model file whose other parts, and checksum, are right."""
    kind, part = content[:1], content[1:]
    header, numbers = MODEL[8 : 8 + SIZE], MODEL[8 + SIZE :]
    if kind == b"N":
        numbers = part + numbers[len(part) :]
    elif kind == b"T":
        text = json.dumps(part.decode(errors="replace")).encode()
        header = b'{"__metadata__":{"format_version":"1","checksum":"%b","tsgan":%b}%b' % (BLANK, text, TENSORS)
    else:
        header = part
    header = re.sub(rb'"checksum":"[0-9a-f]{64}"', b'"checksum":"%b"' % BLANK, header, count=1)
    whole = len(header).to_bytes(8, "little") + header + numbers
    file.write_bytes(whole.replace(BLANK, hashlib.sha256(whole).hexdigest().encode(), 1))
    TSGAN.load(file, device="cpu").sample(2, 3, random_state=0)


TARGETS: dict[str, tuple[Callable[[Path, bytes], None], list[bytes]]] = {
    "prices": (prices, TABLES),
    "covariates": (covariates, [*TABLES, b"date,mood\n2020-01-01,calm\n2020-01-02,wild\n"]),
    "settings": (settings, [SETTINGS.encode()]),
    "conditions": (conditions, CONDITIONS),
    "models": (models, [b"H" + MODEL[8 : 8 + SIZE], b"T" + TEXT, b"N" + MODEL[8 + SIZE :]]),
}


def main() -> None:
    """Fuzz the target that the first argument names; what it has found is kept in .fuzz/ and begun with next time."""
    name, *options = sys.argv[1:]
    target, seeds = TARGETS[name]
    found = Path(".fuzz", name)
    found.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (found / f"seed-{number}").write_bytes(seed)
    file = Path(tempfile.mkstemp()[1])

    def use(content: bytes) -> None:
        try:
            target(file, content)
        except TsganError as error:
            if not 20 < len(str(error)) < 3000:
                raise AssertionError("no sentence") from error

    warnings.simplefilter("error")
    warnings.simplefilter("ignore", TsganWarning)
    given = "-max_len=30000", "-timeout=20", f"-artifact_prefix=.fuzz/{name}-", *options
    atheris.Setup([sys.argv[0], str(found), *given], use)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
