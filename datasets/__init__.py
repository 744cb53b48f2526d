"""Prices to learn from: read from a file or a frame, downloaded, or a real series that ships with a dependency."""

from tsgan.datasets.builtin import load
from tsgan.datasets.checks import check_prices
from tsgan.datasets.readers import read_covariates, read_prices
from tsgan.datasets.yahoo import download

__all__ = ["check_prices", "download", "load", "read_covariates", "read_prices"]
