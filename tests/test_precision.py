"""What the critics multiply in: an option that changes little, and is refused where it does not exist."""

import dataclasses

import numpy as np
import pytest
import torch

from tsgan import Config, ConfigError
from tsgan.diagnostics import Record
from tsgan.fitting import fit_laws
from tsgan.objectives import OBJECTIVES
from tsgan.precision import check_precision, tf32

CPU = torch.device("cpu")
RETURNS = np.random.default_rng(0).standard_t(5, (600, 2)) * 0.01


@pytest.mark.parametrize("critic", ["conv", "lstm"])
def test_bf16_trains_much_as_float32_does(critic: str) -> None:
    records: dict[str, list[Record]] = {}
    weights: dict[str, torch.Tensor] = {}
    for precision in ("float32", "bf16"):
        config = dataclasses.replace(Config(), warm_start=dataclasses.replace(Config().warm_start, steps=20))
        config = config.with_training(
            steps=4, batch=16, past=32, future=32, critic_warm_up=30, critic=critic, precision=precision
        )
        fit = fit_laws(RETURNS, config, [0, 4], 0, CPU, lambda _: None)
        assert fit.stopped is None
        records[precision] = fit.records
        start, end = (torch.cat([p.flatten() for p in fit.laws[step].generator.parameters()]) for step in (0, 4))
        weights[precision] = end - start
    assert np.isfinite(np.array([record[:5] for record in records["bf16"]], dtype=float)).all()
    full, half = (np.array(records[precision][0][1:4]) for precision in ("float32", "bf16"))
    assert not np.array_equal(full, half)
    np.testing.assert_allclose(half, full, atol=0.02)  # after 31 steps of the critic; from there on small things grow
    assert torch.cosine_similarity(weights["float32"], weights["bf16"], dim=0) > 0.8


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains_in_bf16(objective: str) -> None:
    config = dataclasses.replace(Config(), warm_start=dataclasses.replace(Config().warm_start, steps=20))
    config = config.with_training(
        objective=objective, steps=2, batch=8, past=32, future=32, critic_warm_up=10, critic="both", precision="bf16"
    )
    fit = fit_laws(RETURNS, config, [0, 2], 0, CPU, lambda _: None)
    assert fit.stopped is None
    assert all(np.isfinite(record.wasserstein) for record in fit.records)
    assert not torch.equal(fit.laws[0].generator.weights, fit.laws[2].generator.weights)


def test_tf32_is_refused_without_cuda() -> None:
    config = Config().with_training(precision="tf32")
    with pytest.raises(ConfigError, match="tf32 exists on CUDA devices only, not on cpu"):
        fit_laws(RETURNS, config, [0], 0, CPU, lambda _: None)
    check_precision("tf32", torch.device("cuda"))
    with pytest.raises(ConfigError, match="precision must be one of float32, tf32, bf16"):
        Config().with_training(precision="fp8")


def test_tf32_is_allowed_and_refused_for_a_while_only() -> None:
    def now() -> tuple[bool, str]:
        return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()

    before = now()
    with tf32(False):
        assert now() == (False, "highest")
        with tf32(True):
            assert now() == (True, "high")
        assert now() == (False, "highest")
    assert now() == before
    with pytest.raises(ZeroDivisionError), tf32(not before[0]):
        raise ZeroDivisionError
    assert now() == before
