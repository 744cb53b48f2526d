"""The memory: the parallel pass over a history equals the recursion, and never looks ahead."""

import numpy as np
import torch

from tsgan.memory import averages, decay_factors, differentiable_averages, run_memory

HALF_LIVES = (1, 4, 32)
DRIFT, WEIGHTS = np.array([0.1, -0.2]), np.array([[0.3, -0.1, 0.2], [-0.2, 0, 0.1]])


def history(seed: int = 0, steps: int = 50, assets: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((steps, assets))


def test_parallel_pass_equals_the_recursion_step_by_step() -> None:
    from tsgan.memory import remember

    x, initial = history(), np.full((2, 3, 1), 0.5)
    states = run_memory(x, HALF_LIVES, initial, DRIFT, WEIGHTS)
    state = torch.full((2, 3, 3, 1), 0.5, dtype=torch.float64)
    decay = torch.tensor(decay_factors(HALF_LIVES))
    for t, row in enumerate(x):
        torch.testing.assert_close(torch.tensor(states[t]), state[..., 0])
        signed = state[:, 2, :, 0].numpy() - DRIFT[:, None]
        mean = DRIFT + (WEIGHTS * signed).sum(-1)
        state = remember(state, torch.tensor(row)[:, None], torch.tensor(row - mean)[:, None], decay)
    torch.testing.assert_close(torch.tensor(states[-1]), state[..., 0])


def test_the_future_does_not_change_the_past() -> None:
    x = history()
    changed = x.copy()
    changed[30:] += 5
    initial = np.ones((2, 3, 1))
    before, after = (run_memory(v, HALF_LIVES, initial, DRIFT, WEIGHTS) for v in (x, changed))
    np.testing.assert_array_equal(before[:31], after[:31])
    assert (before[31] != after[31]).any()


def test_half_life_means_half() -> None:
    x = np.zeros((33, 1))
    states = run_memory(x, HALF_LIVES, np.ones((1, 3, 1)), np.zeros(1), np.zeros((1, 3)))
    np.testing.assert_allclose(states[32, 0, 0, 2], 0.5)
    np.testing.assert_allclose(states[1, 0, 0, 0], 0.5)


def test_a_history_may_be_run_in_two_pieces() -> None:
    x, initial = history(), np.ones((2, 3, 1))
    whole = run_memory(x, HALF_LIVES, initial, DRIFT, WEIGHTS)
    first = run_memory(x[:20], HALF_LIVES, initial, DRIFT, WEIGHTS)
    second = run_memory(x[20:], HALF_LIVES, first[-1], DRIFT, WEIGHTS)
    np.testing.assert_allclose(second, whole[20:])


def test_the_first_signed_average_is_the_last_return() -> None:
    x = history()
    states = run_memory(x, HALF_LIVES, np.ones((2, 3, 1)), DRIFT, WEIGHTS)
    np.testing.assert_array_equal(states[1:, :, 2, 0], x)


def test_the_differentiable_averages_are_the_averages() -> None:
    x, decay = history() ** 2, decay_factors(HALF_LIVES)[:2]
    values, initial = np.stack((x, 3 * x), -1), np.random.default_rng(1).random((2, 2, 3))
    found = differentiable_averages(*map(torch.tensor, (values, decay, initial)))
    for row in (0, 1):
        np.testing.assert_allclose(found[:, :, row], averages(values[..., row], decay[row], initial[:, row]))
