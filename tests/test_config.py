"""Configuration: every default valid, everything else refused in a sentence."""

from typing import Any

import pytest

from tsgan import Config, ConfigError


def test_round_trip_through_plain_values() -> None:
    changed = Config.from_dict({"training": {"steps": 7, "betas": [0.5, 0.9]}, "generator": {"width": 8}})
    assert changed.training.steps == 7
    assert changed.training.betas == (0.5, 0.9)
    assert Config.from_dict(changed.to_dict()) == changed
    assert Config.from_dict({}) == Config()


def test_none_leaves_a_field_as_it_is() -> None:
    assert Config().with_training(steps=None, critic="lstm").training.steps == Config().training.steps


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"trainig": {}}, "no section called 'trainig'; did you mean 'training'"),
        ({"training": {"step": 3}}, "no setting in .training. called 'step'; did you mean 'steps'"),
        ({"training": 3}, "must be a table"),
        ({"training": {"steps": "many"}}, "steps in .training. must be a whole number, not 'many'"),
        ({"training": {"steps": True}}, "must be a whole number"),
        ({"training": {"steps": -1}}, "steps must be a whole number >= 0, not -1"),
        ({"training": {"critic": "transformer"}}, "critic must be one of conv, lstm, both"),
        ({"training": {"betas": [0.5]}}, "betas must be two numbers"),
        ({"training": {"anchor": float("nan")}}, "must be a number"),
        ({"generator": {"half_lives": []}}, "half_lives must be numbers > 0"),
        ({"generator": {"elasticity": 1.5}}, "elasticity must be a number between 0 and 1"),
        ({"warm_start": {"steps": 0}}, "steps must be a whole number >= 1"),
    ],
)
def test_impossible_settings_get_a_sentence(tables: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Config.from_dict(tables)
