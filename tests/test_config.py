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


def test_an_objective_that_is_named_brings_the_settings_of_its_paper() -> None:
    own = Config()
    assert own.training.objective == "wgan-gp"
    for paper in (own.with_training(objective="wgan-gp"), Config.from_dict({"training": {"objective": "wgan-gp"}})):
        assert (paper.training.critic_steps, paper.training.critic_learning_rate) == (5, 1e-4)
        assert paper != own
        assert Config.from_dict(paper.to_dict()) == paper
        assert Config.from_dict(paper.with_training(objective="cramer").to_dict()).training.betas == (0.5, 0.9)
    assert Config.from_dict(own.to_dict()) == own  # it is all of its settings that are saved


def test_what_is_given_beside_an_objective_goes_over_its_settings() -> None:
    given = {"objective": "wgan-clip", "critic_steps": 2, "steps": 7}
    for config in (Config().with_training(**given), Config.from_dict({"training": given})):
        training = config.training
        assert (training.optimiser, training.critic_steps, training.steps) == ("rmsprop", 2, 7)
        assert training.past == Config().training.past
    back = Config().with_training(**given).with_training(objective="wgan-gp")
    assert back == Config().with_training(objective="wgan-gp", steps=7)  # nothing of the one before is left


def test_settings_saved_before_there_were_objectives_are_those_of_wgan_gp() -> None:
    new = ("objective", "optimiser", "clip", "critic_warm_ups", "critic_warm_up_every")
    saved = {**Config().to_dict()["training"], "critic_steps": 4}
    old = {name: value for name, value in saved.items() if name not in new}
    assert Config.from_dict({"training": old}) == Config().with_training(critic_steps=4)


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
        ({"training": {"objective": "gan"}}, "objective must be one of wgan-clip, wgan-gp, wgan-lp, spectral, cramer"),
        ({"training": {"objective": 3}}, "objective in .training. must be text, not 3"),
        ({"training": {"optimiser": "sgd"}}, "optimiser must be one of adam, rmsprop"),
        ({"training": {"batch": 1}}, "batch must be a whole number >= 2"),
        ({"training": {"clip": 0}}, "clip must be a number > 0"),
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
