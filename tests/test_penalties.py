"""Gradient penalties against closed forms and against automatic differentiation."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tsgan import losses, penalties
from tsgan.critics import ConvCritic, LSTMCritic

NORMS = [penalties.gradient_norm, penalties.gradient_norm_exact]
PAST, FUTURE = 48, 48


def linear(weight: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: (x * weight).flatten(1).sum(1)


@pytest.mark.parametrize("norm", NORMS)
def test_linear_critic_has_its_exact_penalty(norm: Callable[..., Tensor]) -> None:
    weight = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.2
    x = torch.randn(5, 20, 2, dtype=torch.float64)
    size = weight.norm()
    for scale in (0.5, 1.5):
        slope = norm(linear(scale / size * weight), x)
        torch.testing.assert_close(penalties.two_sided(slope), torch.full((5,), (scale - 1) ** 2, dtype=torch.float64))
        one = max(0.0, scale - 1) ** 2
        torch.testing.assert_close(penalties.one_sided(slope), torch.full((5,), one, dtype=torch.float64))


@pytest.mark.parametrize("kind", [ConvCritic, LSTMCritic])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-3), (torch.float32, 3e-3)])
def test_first_order_penalty_has_the_gradient_of_double_backward(
    kind: type[nn.Module], dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    critic = kind(2).to(dtype)
    x = torch.randn(8, PAST + FUTURE, 2, dtype=dtype)

    def score(path: Tensor) -> Tensor:
        return critic(path[:, PAST:], path[:, :PAST])  # type: ignore[no-any-return]  # a Module's call is untyped

    gradients = []
    for norm in NORMS:
        critic.zero_grad()
        penalties.two_sided(norm(score, x)).mean().backward()
        gradients.append(
            torch.cat(
                [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in critic.parameters()]
            )
        )
    assert (gradients[0] - gradients[1]).norm() / gradients[1].norm() < tolerance


def test_penalty_of_one_path_does_not_depend_on_the_others() -> None:
    torch.manual_seed(0)
    critic = ConvCritic(1)
    x = torch.randn(6, PAST + FUTURE, 1)

    def score(path: Tensor) -> Tensor:
        return critic(path[:, PAST:], path[:, :PAST])  # type: ignore[no-any-return]  # a Module's call is untyped

    together = penalties.gradient_norm(score, x)
    alone = torch.cat([penalties.gradient_norm(score, row[None]) for row in x])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)


def test_interpolation_stays_on_the_line() -> None:
    real, fake = torch.zeros(100, 4, 1), torch.ones(100, 4, 1)
    between = penalties.interpolate(real, fake, torch.Generator().manual_seed(0))
    assert (between >= 0).all()
    assert (between <= 1).all()
    torch.testing.assert_close(between, between[:, :1].expand_as(between))  # one number a path
    assert 0.4 < between.mean() < 0.6


def test_trained_critic_recovers_the_wasserstein_distance() -> None:
    from scipy.stats import wasserstein_distance

    rng = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    real, fake = torch.randn(512, 1, 1, generator=rng), torch.randn(512, 1, 1, generator=rng) * 1.5 + 1.0
    critic = nn.Sequential(nn.Flatten(), nn.Linear(1, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
    optimiser = torch.optim.Adam(critic.parameters(), 2e-3, (0.0, 0.9))
    estimates = []
    for _ in range(1500):
        between = penalties.interpolate(real, fake, rng)
        loss = losses.critic_loss(critic(real), critic(fake)).mean()
        slope = penalties.one_sided(penalties.gradient_norm(lambda x: critic(x).squeeze(-1), between)).mean()
        optimiser.zero_grad()
        (loss + 100 * slope).backward()
        optimiser.step()
        estimates.append(-loss.item())
    exact = wasserstein_distance(real.flatten().numpy(), fake.flatten().numpy())
    np.testing.assert_allclose(np.mean(estimates[-100:]), exact, rtol=0.05)
