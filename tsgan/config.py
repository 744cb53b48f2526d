"""Every default of tsgan, each with its unit and reason; the command line and ``run.toml`` read them from here."""

from __future__ import annotations

import dataclasses
import difflib
import numbers
import sys
from dataclasses import dataclass, field, fields
from typing import Any, Self

from tsgan.errors import ConfigError

CRITICS = ("conv", "lstm", "both")
PRECISIONS = ("float32", "tf32", "bf16")
OPTIMISERS = ("adam", "rmsprop")

_GULRAJANI = {
    "optimiser": "adam",
    "critic_learning_rate": 1e-4,
    "generator_learning_rate": 1e-4,
    "betas": (0.0, 0.9),
    "critic_steps": 5,
    "critic_warm_up": 0,
    "critic_warm_ups": 0,
    "critic_warm_up_every": 0,
    "penalty": 10.0,
    "clip": 0.01,
}
PRESETS: dict[str, dict[str, Any]] = {
    # Settings of the paper behind each objective (:mod:`tsgan.objectives`), all of them in each. Naming an objective
    # brings these; settings that are given beside it go over them.
    "wgan-clip": {
        **_GULRAJANI,
        "optimiser": "rmsprop",
        "critic_learning_rate": 5e-5,
        "generator_learning_rate": 5e-5,
        "critic_warm_up": 100,
        "critic_warm_ups": 25,
        "critic_warm_up_every": 500,
        "penalty": 0.0,
    },
    "wgan-gp": _GULRAJANI,
    "wgan-lp": _GULRAJANI,
    "spectral": {**_GULRAJANI, "critic_learning_rate": 2e-4, "generator_learning_rate": 2e-4, "penalty": 0.0},
    "cramer": {**_GULRAJANI, "betas": (0.5, 0.9)},
}


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """The recurrent stochastic-volatility network (:mod:`tsgan.generator`)."""

    half_lives: tuple[float, ...] = (0.25, 1, 2, 4, 8, 16, 32, 64, 128, 256)
    """Half-lives of the memory in steps: little more than the last day, and a day to a year, doubling."""
    elasticity: float = 0.95
    """Power of the remembered variance in the next one; 1 would be a GARCH, whose free runs explode."""
    width: int = 16
    """Hidden units of the network that corrects the variance."""
    reach: float = 0.3
    """Scale of that network's output; small, since a free correction loses all gains held-out."""
    blur: float = 0.2
    """Noise added to the normal scores of a drawn day, in standard deviations (:mod:`tsgan.joint`)."""
    neighbours: float = 0.2
    """Share of the training days, those on which the market was as volatile as now, that a day is drawn from."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "half_lives", tuple(float(h) for h in self.half_lives))
        _require(len(self.half_lives) > 0 and min(self.half_lives) > 0, self, "half_lives", "numbers > 0")
        _require(0 < self.elasticity < 1, self, "elasticity", "a number between 0 and 1")
        _require(self.width >= 1, self, "width", "a whole number >= 1")
        _require(self.reach >= 0, self, "reach", "a number >= 0")
        _require(self.blur >= 0, self, "blur", "a number >= 0")
        _require(0 < self.neighbours <= 1, self, "neighbours", "a number in (0, 1]")


@dataclass(frozen=True, slots=True)
class WarmStartConfig:
    """Maximum likelihood of the one-step law (:mod:`tsgan.warmstart`)."""

    steps: int = 400
    """Full-batch steps."""
    learning_rate: float = 0.02
    """Adam's rate at the start, lowered by a cosine to nothing."""
    weight_decay: float = 10.0
    """Decoupled decay of the correcting network; at 1 it overfits and loses to a GJR-GARCH held-out."""
    momentum_scale: float = 0.01
    """Scale of the Cauchy prior on the drift's weights: spurious autocorrelation is shrunk away, real one kept."""
    stretch_scale: float = 0.05
    """The same, Laplace, on how much heavier the tails of calm days are than those of usual ones, as a log ratio."""

    def __post_init__(self) -> None:
        _require(self.steps >= 1, self, "steps", "a whole number >= 1")
        _require(self.learning_rate > 0, self, "learning_rate", "a number > 0")
        _require(self.weight_decay >= 0, self, "weight_decay", "a number >= 0")
        for name in ("momentum_scale", "stretch_scale"):
            _require(getattr(self, name) > 0, self, name, "a number > 0")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A Wasserstein GAN on windows of [real past | future] (:mod:`tsgan.training`).

    The defaults are WGAN-GP with settings found for returns. An objective that is named, be it wgan-gp, brings those of
    its paper (:data:`PRESETS`) where a configuration is read or changed: :meth:`Config.from_dict`,
    :meth:`Config.with_training`.
    """

    steps: int = 120
    """Generator steps at most; the validation slice chooses how many of them are kept. 0 keeps the warm start."""
    objective: str = "wgan-gp"
    """wgan-clip, wgan-gp, wgan-lp, spectral or cramer."""
    critic: str = "conv"
    """conv, lstm or both."""
    precision: str = "float32"
    """What the critics multiply in: float32, tf32 (CUDA only) or bf16; the generator's law is always in float32."""
    critic_steps: int = 3
    """Critic steps a generator step; the paper's 5 gave no better paths in 1.4 times the time."""
    critic_warm_up: int = 100
    """Critic steps before the first generator step: an untrained critic would push the warm start at random."""
    critic_warm_ups: int = 1
    """Generator steps at the start that have as many before them; 25 in WGAN, whose critics are slow."""
    critic_warm_up_every: int = 0
    """Every so many-th generator step has as many, too; 0 for none, 500 in WGAN."""
    batch: int = 64
    """Windows a batch (the papers')."""
    past: int = 128
    """Steps of real past that the critic sees."""
    future: int = 128
    """Steps of the continuation that it judges."""
    penalty: float = 10.0
    """Weight of the gradient penalty (the paper's); 0 for none."""
    clip: float = 0.01
    """Largest size of a critic's weight in wgan-clip (the paper's)."""
    optimiser: str = "adam"
    """adam or rmsprop, of critic and generator."""
    critic_learning_rate: float = 5e-4
    """The optimiser's rate for the critic."""
    generator_learning_rate: float = 5e-3
    """The optimiser's rate for the generator."""
    betas: tuple[float, float] = (0.0, 0.9)
    """Adam's decay rates (the paper's): no momentum, since the loss moves."""
    anchor: float = 2.0
    """Weight of the one-step likelihood of the generator; without it one-step risk suffers, at 10 nothing moves."""
    average: float = 0.98
    """Decay a step of the generator's moving average, the model that is kept."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas))
        for name in ("steps", "critic_warm_up", "critic_warm_ups", "critic_warm_up_every"):
            _require(getattr(self, name) >= 0, self, name, "a whole number >= 0")
        _require(self.objective in PRESETS, self, "objective", "one of " + ", ".join(PRESETS))
        _require(self.critic in CRITICS, self, "critic", "one of " + ", ".join(CRITICS))
        _require(self.precision in PRECISIONS, self, "precision", "one of " + ", ".join(PRECISIONS))
        _require(self.optimiser in OPTIMISERS, self, "optimiser", "one of " + ", ".join(OPTIMISERS))
        _require(self.critic_steps >= 1, self, "critic_steps", "a whole number >= 1")
        _require(self.batch >= 2, self, "batch", "a whole number >= 2")  # half of it continues real pasts
        for name in ("past", "future"):
            _require(getattr(self, name) >= 32, self, name, "a whole number >= 32")
        _require(self.penalty >= 0, self, "penalty", "a number >= 0")
        for name in ("clip", "critic_learning_rate", "generator_learning_rate"):
            _require(getattr(self, name) > 0, self, name, "a number > 0")
        _require(len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas), self, "betas", "two numbers in [0, 1)")
        _require(self.anchor >= 0, self, "anchor", "a number >= 0")
        _require(0 <= self.average < 1, self, "average", "a number in [0, 1)")


@dataclass(frozen=True, slots=True)
class Config:
    """All of a fit's configuration; its sections are the tables of ``run.toml``."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    warm_start: WarmStartConfig = field(default_factory=WarmStartConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    @classmethod
    def from_dict(cls, tables: dict[str, Any]) -> Self:
        """Build from nested tables; unknown names and wrong types are a ConfigError.

        An objective in the training section brings the settings of its paper for what is not given.

        >>> Config.from_dict({"training": {"steps": 10}}).training.steps
        10
        """
        defaults = cls()
        names = [f.name for f in fields(cls)]
        for name in tables:
            _known(name, names, "section")
        return cls(**{name: _section(getattr(defaults, name), name, tables.get(name, {})) for name in names})

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, as JSON and TOML have them."""
        return dataclasses.asdict(self)

    def with_training(self, **changes: Any) -> Self:
        """Return a copy with some fields of the training section changed; None leaves a field as it is.

        An objective brings the settings of its paper, over which the other changes go.

        >>> Config().with_training(objective="wgan-clip", critic_steps=3).training.optimiser
        'rmsprop'
        """
        given = {name: value for name, value in changes.items() if value is not None}
        for name in given:
            _known(name, [f.name for f in fields(self.training)], "setting of the training")
        return dataclasses.replace(self, training=dataclasses.replace(self.training, **_with_preset(given)))


def _section(default: Any, section: str, values: Any) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(f"[{section}] must be a table of settings, not {values!r:.100}")
    for name, value in values.items():
        _known(name, [f.name for f in fields(default)], f"setting in [{section}]")
        _typed(section, name, value, getattr(default, name))
    return dataclasses.replace(default, **_with_preset(values))


def _with_preset(values: dict[str, Any]) -> dict[str, Any]:
    """Put settings over those of the paper behind the objective that is among them, if one is."""
    return {**PRESETS.get(values.get("objective", ""), {}), **values}


def _typed(section: str, name: str, value: Any, default: Any) -> None:
    def number(v: Any) -> bool:
        # a whole number may have more digits than a float can
        return isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= sys.float_info.max

    if isinstance(default, tuple):
        fits, kind = isinstance(value, list | tuple) and all(number(v) for v in value), "a list of numbers"
    elif isinstance(default, int):
        fits, kind = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif isinstance(default, float):
        fits, kind = number(value), "a number"
    else:
        fits, kind = isinstance(value, str), "text"
    if not fits:
        raise ConfigError(f"{name} in [{section}] must be {kind}, not {value!r:.100}")


def _known(name: str, names: Any, kind: str) -> None:
    if name in names:
        return
    close = difflib.get_close_matches(name, list(names), 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ConfigError(f"there is no {kind} called {name!r:.100}; {hint}possible: {', '.join(names)}")


def _require(holds: bool, config: Any, name: str, expected: str) -> None:
    if not holds:
        raise ConfigError(f"{name} must be {expected}, not {getattr(config, name)!r:.100}")


def check_whole(name: str, value: object, least: int = 1) -> None:
    """Refuse what is no whole number, or too small, with a ConfigError that names the option."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ConfigError(f"{name} must be a whole number >= {least}, not {value!r}")
