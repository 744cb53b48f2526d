"""tsgan: a Wasserstein GAN that learns the law of financial returns and gives back dated price paths.

>>> from tsgan import TSGAN
>>> from tsgan.datasets import load
>>> model = TSGAN(random_state=0).fit(load("sp500"))  # doctest: +SKIP
>>> model.sample(1000, length=252).to_frame("prices")  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tsgan.errors import (
    ConfigError,
    DataError,
    DataWarning,
    FitWarning,
    ModelFileError,
    TrainingError,
    TrainingWarning,
    TsganError,
    TsganWarning,
)

if TYPE_CHECKING:
    from tsgan.config import Config
    from tsgan.estimator import TSGAN
    from tsgan.paths import Paths
    from tsgan.tickers import fit_each

__all__ = [
    "TSGAN",
    "Config",
    "ConfigError",
    "DataError",
    "DataWarning",
    "FitWarning",
    "ModelFileError",
    "Paths",
    "TrainingError",
    "TrainingWarning",
    "TsganError",
    "TsganWarning",
    "__version__",
    "fit_each",
]
_LAZY = {  # torch waits until it is used
    "TSGAN": "tsgan.estimator",
    "Config": "tsgan.config",
    "Paths": "tsgan.paths",
    "fit_each": "tsgan.tickers",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("tsgan")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'tsgan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
