"""The innovation law: a density that integrates to one, mean 0, variance 1, and equals what is drawn."""

import itertools

import numpy as np
import pytest
import torch
from scipy import integrate

from tsgan.innovation import Innovation, InnovationFamily, _interpolation, innovation, innovation_family

SHAPES = [(0.0, 1.0), (-0.1, 0.8), (0.3, 0.6), (-0.4, 1.2)]


def law(skew: float, tail: float) -> Innovation:
    return innovation(torch.tensor([skew], dtype=torch.float64), torch.tensor([tail], dtype=torch.float64))


def family(skew: float, tail: float, stretch: float) -> InnovationFamily:
    return innovation_family(*(torch.tensor([value], dtype=torch.float64) for value in (skew, tail, stretch)))


def density(of: Innovation, e: float) -> float:
    return float(of.log_density(torch.tensor([e], dtype=torch.float64)).exp())


@pytest.mark.parametrize(("skew", "tail"), SHAPES)
def test_density_integrates_to_one_with_mean_zero_and_variance_one(skew: float, tail: float) -> None:
    of = law(skew, tail)
    moments = [integrate.quad(lambda e, k=k: e**k * density(of, e), -60, 60, limit=400)[0] for k in range(3)]
    np.testing.assert_allclose(moments, [1, 0, 1], atol=2e-5)


@pytest.mark.parametrize(("skew", "tail"), SHAPES)
def test_shares_of_falling_and_rising_squares(skew: float, tail: float) -> None:
    of = family(skew, tail, 0.3)
    lower = integrate.quad(lambda e: e * e * density(of.usual, e), -60, 0, limit=400)[0]
    np.testing.assert_allclose(of.lower.item(), lower, atol=1e-4)
    np.testing.assert_allclose((of.lower + of.upper).item(), 1, atol=1e-12)


@pytest.mark.parametrize(("stretch", "error"), [(0.0, 1e-9), (0.3, 2e-4), (-0.7, 3e-3), (0.7, 3e-3)])
def test_a_family_is_standardised_at_every_calmness(stretch: float, error: float) -> None:
    calmness = torch.linspace(0, 1, 7, dtype=torch.float64)[:, None]
    of = family(-0.2, 0.8, stretch).at(calmness)
    for tail, shift, scale in zip(of.tail, of.shift, of.scale, strict=True):
        exact = law(-0.2, tail.item())
        np.testing.assert_allclose([(scale / exact.scale).item()], 1, atol=error)
        np.testing.assert_allclose([((shift - exact.shift) / exact.scale).item()], 0, atol=error)
    np.testing.assert_allclose(of.tail[[0, -1], 0], [0.8, 0.8 * np.exp(-stretch)], rtol=1e-12)


@pytest.mark.parametrize(("skew", "tail"), SHAPES)
def test_map_and_inverse(skew: float, tail: float) -> None:
    of, z = law(skew, tail), torch.linspace(-6, 6, 101, dtype=torch.float64)[:, None]
    torch.testing.assert_close(of.to_normal(of.from_normal(z)), z)
    assert (of.from_normal(z).diff(dim=0) > 0).all()


@pytest.mark.parametrize("level", [0.01, 0.05, 0.5])
def test_quantile_and_tail_mean_agree_with_the_density(level: float) -> None:
    of = law(-0.2, 0.75)
    q = of.quantile(level).item()
    below = integrate.quad(lambda e: density(of, e), -60, q, limit=400)[0]
    mean = integrate.quad(lambda e: e * density(of, e), -60, q, limit=400)[0] / below
    np.testing.assert_allclose(below, level, rtol=1e-4)
    np.testing.assert_allclose(of.tail_mean(level).item(), mean, rtol=1e-4)


def test_draws_have_the_density() -> None:
    of = law(-0.2, 0.75)
    rng = torch.Generator().manual_seed(0)
    e = of.from_normal(torch.randn((400_000, 1), generator=rng, dtype=torch.float64)).numpy()[:, 0]
    edges = np.linspace(-3, 3, 13)
    expected = [integrate.quad(lambda x: density(of, x), a, b)[0] for a, b in itertools.pairwise(edges)]
    share = np.histogram(e, edges)[0] / len(e)
    error = np.sqrt(np.array(expected) / len(e))
    assert (np.abs(share - expected) < 4.5 * error).all()


def test_normal_special_case_is_the_normal_law() -> None:
    z = torch.linspace(-5, 5, 11, dtype=torch.float64)[:, None]
    torch.testing.assert_close(law(0.0, 1.0).from_normal(z), z, atol=1e-6, rtol=1e-6)


def test_who_trains_after_someone_has_sampled_gets_gradients() -> None:
    _interpolation.cache_clear()
    with torch.inference_mode():
        family(0.1, 0.8, 0.2)
    tail = torch.tensor([0.8], dtype=torch.float64, requires_grad=True)
    calm = innovation_family(torch.zeros_like(tail), tail, torch.full_like(tail, 0.2)).at(torch.ones_like(tail))
    calm.scale.sum().backward()
    assert tail.grad is not None
    assert tail.grad.isfinite().all()
