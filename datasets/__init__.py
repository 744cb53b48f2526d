"""Prices to learn from: read from a file or a frame, or load a real series that ships with a dependency."""

from tsgan.datasets.builtin import load
from tsgan.datasets.checks import check_prices
from tsgan.datasets.readers import read_covariates, read_prices

__all__ = ["check_prices", "load", "read_covariates", "read_prices"]
