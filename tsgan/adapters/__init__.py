"""Adapters into the tools where risk is computed; none of those tools is imported before it is used.

:mod:`tsgan.adapters.skfolio`
    :class:`~tsgan.adapters.skfolio.TSGANDistribution`, scenarios for skfolio's portfolio optimisation.

Backtesting engines need no adapter, they take frames and files: :meth:`tsgan.Paths.iter_prices` (backtesting.py,
backtrader), :meth:`tsgan.Paths.to_wide` (vectorbt) and :meth:`tsgan.Paths.to_zipline`.
"""
