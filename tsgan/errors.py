"""What can go wrong, said in a sentence: the thing, what was expected, what came, what to do.

::

    TsganError
    ├── DataError        the prices, or a file of prices, cannot be used
    ├── ConfigError      an option or a combination of options is not possible
    ├── ModelFileError   a model file is damaged, of a newer format, or no model at all
    └── TrainingError    training produced nothing usable

    TsganWarning (UserWarning)
    ├── DataWarning      the prices were used, but something about them should be known
    │   └── FitWarning   a classical method could not be fitted to them; something simpler or older takes its place
    └── TrainingWarning  there is a model, but something about its training should be known
"""

__all__ = [
    "ConfigError",
    "DataError",
    "DataWarning",
    "FitWarning",
    "ModelFileError",
    "TrainingError",
    "TrainingWarning",
    "TsganError",
    "TsganWarning",
    "option",
]


def option(name: str, value: object) -> str:
    """Return an option of a remedy as Python gives it; :mod:`tsgan.cli.wording` says it as a shell does.

    >>> option("missing", "drop")
    "missing='drop'"
    """
    return f"{name}={value!r}"


class TsganError(Exception):
    """Base of every error that tsgan raises on purpose; its text is meant for the user."""


class DataError(TsganError, ValueError):
    """The prices cannot be used; the message names column, date, value and remedy."""


class ConfigError(TsganError, ValueError):
    """An option, or a combination of options, is not possible."""


class ModelFileError(TsganError, ValueError):
    """A model file is damaged, of a newer format version, or not a model file."""


class TrainingError(TsganError, RuntimeError):
    """Training produced nothing usable."""


class TsganWarning(UserWarning):
    """Base of every warning of tsgan; its text is meant for the user."""


class DataWarning(TsganWarning):
    """The prices were accepted, but something about them should be known (sorted, dropped, a suspected split)."""


class FitWarning(DataWarning):
    """A method could not be fitted to the prices; something simpler, or what was fitted before, takes its place."""


class TrainingWarning(TsganWarning):
    """There is a model, but something about its training should be known; or of many models one is missing."""
