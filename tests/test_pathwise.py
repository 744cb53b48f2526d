"""Pathwise gradients of a free run against autograd through its steps, and the memory of a whole path at once."""

import pytest
import torch
from torch import Tensor

from tsgan import pathwise
from tsgan.config import GeneratorConfig
from tsgan.generator import Generator
from tsgan.joint import JointNoise, known

PATHS, STEPS = 6, 40


def law(assets: int, dtype: torch.dtype) -> tuple[Generator, Tensor]:
    """A generator with all its parts at work, and states of days."""
    torch.manual_seed(0)
    generator = Generator(assets, GeneratorConfig()).to(dtype)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        generator.momentum.normal_().mul_(0.03)
        generator.drift.fill_(0.02)
    states = torch.rand(300, assets, 3, len(generator.config.half_lives), dtype=dtype)
    states[:, :, 2] -= 0.5
    generator.fix_neutral(states)
    return generator, states


def gradients(generator: Generator, path: Tensor) -> Tensor:
    """Of a loss in which every step of every path counts differently, also by its square; all parameters in a row."""
    weights = torch.randn(path.shape, dtype=path.dtype, generator=torch.Generator().manual_seed(1))
    loss = (path * weights).mean() + 0.1 * (path.square().cumsum(1) * weights).mean()
    found = torch.autograd.grad(loss, list(generator.parameters()), allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in found])


@pytest.mark.parametrize("assets", [1, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_gradients_are_those_of_autograd_through_the_steps(assets: int, dtype: torch.dtype, tolerance: float) -> None:
    generator, states = law(assets, dtype)
    noise = torch.randn(PATHS, STEPS, assets, dtype=dtype)
    path = generator(states[:PATHS], known(noise), states)[0]
    attached = pathwise.free_run(generator, states[:PATHS], known(noise), states)
    torch.testing.assert_close(attached, path)
    exact, found = gradients(generator, path), gradients(generator, attached)
    assert exact.norm() > 0
    assert (found - exact).norm() / exact.norm() < tolerance


def test_noise_that_depends_on_the_market_is_constant_in_the_gradients() -> None:
    generator, states = law(3, torch.float64)
    noise = JointNoise(torch.randn(200, 3), torch.linspace(-1, 1, 200), 0.2, 0.2).double()
    drawn = noise.draw(PATHS, STEPS, torch.Generator().manual_seed(0))
    drawn = drawn._replace(fresh=drawn.fresh.double())
    path = generator(states[:PATHS], noise.shocks(drawn), states)[0]
    attached = pathwise.free_run(generator, states[:PATHS], noise.shocks(drawn), states)
    torch.testing.assert_close(gradients(generator, attached), gradients(generator, path))


def test_what_a_path_remembers_is_what_its_steps_remembered() -> None:
    generator, states = law(2, torch.float64)
    noise = known(torch.randn(PATHS, STEPS, 2, dtype=torch.float64))
    with torch.no_grad():
        path, last = generator(states[:PATHS], noise)
        before = [generator(states[:PATHS], noise[:t])[1] for t in (1, 7, STEPS - 1)]
        found = pathwise.remembered(generator, states[:PATHS], path.transpose(0, 1))
    assert torch.equal(found[0], states[:PATHS])
    torch.testing.assert_close(found[[1, 7, STEPS - 1]], torch.stack(before))
    assert not torch.allclose(found[-1], last)
