"""Gradient penalties against closed forms and against automatic differentiation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tsgan import losses, penalties
from tsgan.critics import ConvCritic, LSTMCritic
from tsgan.precision import autocast

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
@pytest.mark.parametrize("conditions", [0, 3])
@pytest.mark.parametrize("sharpness", [1.0, 1.7])  # of a new critic, and of one whose weights have grown
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-3)])
def test_first_order_penalty_has_the_gradient_of_double_backward(
    kind: type[nn.Module], conditions: int, sharpness: float, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    critic = kind(2, conditions).to(dtype)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.mul_(sharpness)
    x = torch.randn(8, PAST + FUTURE, 2 + conditions, dtype=dtype)

    def score(path: Tensor) -> Tensor:
        return critic(path[:, PAST:], path[:, :PAST])  # type: ignore[no-any-return]  # a Module's call is untyped

    def first_order(score: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        return penalties.gradient_norm(score, x, penalties.STEPS[str(dtype).removeprefix("torch.")])

    values, gradients = [], []
    for norm in (first_order, penalties.gradient_norm_exact):
        penalty = penalties.two_sided(norm(score, x)).mean()
        found = torch.autograd.grad(penalty, list(critic.parameters()), allow_unused=True, materialize_grads=True)
        values.append(penalty.detach())
        gradients.append(torch.cat([gradient.flatten() for gradient in found]))
    torch.testing.assert_close(*values)
    assert (gradients[0] - gradients[1]).norm() / gradients[1].norm() < tolerance


@pytest.mark.parametrize("kind", [ConvCritic, LSTMCritic])
def test_first_order_penalty_in_bf16_is_right_to_a_tenth(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    critic, x = kind(1), torch.randn(64, 256, 1)

    def score(path: Tensor) -> Tensor:
        return critic(path[:, 128:], path[:, :128])  # type: ignore[no-any-return]  # a Module's call is untyped

    def rounded(path: Tensor) -> Tensor:
        with autocast("bf16", path.device):
            return score(path).to(path.dtype)

    norms = (penalties.gradient_norm_exact(score, x), penalties.gradient_norm(rounded, x, penalties.STEPS["bf16"]))
    gradients = []
    for norm in norms:
        found = torch.autograd.grad(
            penalties.two_sided(norm).mean(), list(critic.parameters()), allow_unused=True, materialize_grads=True
        )
        gradients.append(torch.cat([gradient.flatten() for gradient in found]))
    assert (gradients[1] - gradients[0]).norm() / gradients[0].norm() < 0.1


def test_first_order_penalty_needs_no_double_backward() -> None:
    class Once(torch.autograd.Function):
        """Has no second derivative, as cuDNN's recurrent kernels have none."""

        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Any:
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, *gradients: Tensor) -> Any:
            return gradients[0] * ctx.saved_tensors[0].cos()

    sine: Callable[[Tensor], Tensor] = Once.apply
    weight = torch.full((4, 1), 0.5, requires_grad=True)

    def score(path: Tensor) -> Tensor:
        return (weight * sine(path)).flatten(1).sum(1)

    x = torch.randn(3, 4, 1)
    penalties.two_sided(penalties.gradient_norm(score, x)).mean().backward()
    assert weight.grad is not None
    with pytest.raises(RuntimeError, match="once_differentiable"):
        penalties.two_sided(penalties.gradient_norm_exact(score, x)).mean().backward()


def test_exact_penalty_switches_cudnn_off_for_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "enabled", True)
    seen = []

    def score(path: Tensor) -> Tensor:
        seen.append(torch.backends.cudnn.enabled)
        return path.square().flatten(1).sum(1)

    x = torch.randn(3, 4, 1)
    penalties.gradient_norm(score, x)
    penalties.gradient_norm_exact(score, x)
    assert seen == [True, True, False]
    assert torch.backends.cudnn.enabled


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
