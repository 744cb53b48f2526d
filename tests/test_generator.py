"""The generator: causal, a density that is what it draws, and free runs that keep their variance."""

import numpy as np
import torch

from tsgan.config import GeneratorConfig
from tsgan.generator import Generator
from tsgan.joint import known
from tsgan.law import Scaling
from tsgan.memory import run_memory

CONFIG = GeneratorConfig()
COUNT = len(CONFIG.half_lives)


def generator(assets: int = 2, seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    net = Generator(assets, CONFIG)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        net.skew.sub_(0.3)
        net.drift.fill_(0.05)
        net.momentum.copy_(0.1 * torch.randn(assets, COUNT))
    return net


def usual_state(n: int, assets: int) -> torch.Tensor:
    state = torch.full((n, assets, 3, COUNT), 0.5)
    state[..., 2, :] = 0
    return state


def test_a_step_depends_on_noise_up_to_it_only() -> None:
    net, noise = generator(), torch.randn(4, 30, 2)
    changed = noise.clone()
    changed[:, 20:] = torch.randn(4, 10, 2)
    a, b = (net(usual_state(4, 2), known(z))[0] for z in (noise, changed))
    assert torch.equal(a[:, :20], b[:, :20])
    assert not torch.equal(a[:, 20:], b[:, 20:])


def test_a_run_may_be_continued_from_its_state() -> None:
    net, noise = generator(), torch.randn(4, 30, 2)
    whole, _ = net(usual_state(4, 2), known(noise))
    first, state = net(usual_state(4, 2), known(noise[:, :12]))
    second, _ = net(state, known(noise[:, 12:]))
    torch.testing.assert_close(whole, torch.cat((first, second), 1))


def test_density_is_the_law_of_the_next_return() -> None:
    net = generator(1).double()
    state = usual_state(1, 1).double() * 1.7
    grid = torch.linspace(-30, 30, 60_001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        density = net.log_density(grid, state.expand(len(grid), -1, -1, -1)).exp().flatten()
        np.testing.assert_allclose(torch.trapezoid(density, grid.flatten()).item(), 1, atol=1e-6)
        noise = torch.randn(200_000, 1, 1, dtype=torch.float64)
        drawn = net(state.expand(200_000, -1, -1, -1), known(noise))[0].flatten()
    cumulated = torch.cumulative_trapezoid(density, grid.flatten())
    for level in (0.01, 0.05, 0.5, 0.95):
        quantile = grid.flatten()[torch.searchsorted(cumulated, level)]
        share = (drawn <= quantile).double().mean().item()
        assert abs(share - level) < 4.5 * (level * (1 - level) / 200_000) ** 0.5


def test_density_of_real_states_equals_the_runs_own_steps() -> None:
    """What the likelihood sees of a path is what the path was made from."""
    net, noise = generator(2).double(), torch.randn(1, 60, 2, dtype=torch.float64)
    with torch.no_grad():
        x, _ = net(usual_state(1, 2).double(), known(noise))
        initial = np.array([[[0.5], [0.5], [0.0]]] * 2)
        states = torch.tensor(
            run_memory(x[0].numpy(), CONFIG.half_lives, initial, net.drift.numpy(), net.momentum.numpy())
        )
        mean, scale, innovation = net.prepare()(states[:-1])
        torch.testing.assert_close(innovation.to_normal((x[0] - mean) / scale), noise[0], rtol=1e-5, atol=1e-5)


def test_assets_touch_each_other_through_the_markets_volatility_only() -> None:
    net, noise = generator(3), torch.randn(4, 20, 3)
    changed = noise.clone()
    changed[:, 10, 1] = 8
    a, b = (net(usual_state(4, 3), known(z))[0] for z in (noise, changed))
    others = [0, 2]
    assert torch.equal(a[:, :11, others], b[:, :11, others])
    assert (b[:, 11:, others].abs() > a[:, 11:, others].abs()).float().mean() > 0.9
    with torch.no_grad():
        net.weights[:, 2 * COUNT :] = -1e9  # no weight on the market
    a, b = (net(usual_state(4, 3), known(z))[0] for z in (noise, changed))
    torch.testing.assert_close(a[..., others], b[..., others])


def test_free_runs_neither_die_nor_explode() -> None:
    torch.manual_seed(0)
    net = Generator(1, CONFIG)  # the network's correction is small at the start: the convex combination rules
    with torch.no_grad():
        x, _ = net(usual_state(200, 1), known(torch.randn(200, 4000, 1)))
    late = x[:, 2000:].square().mean().item()
    assert 0.5 < late < 1.5
    assert x.abs().max() < 60


def test_meta_device_finds_no_stray_tensor() -> None:
    net = generator(2).to("meta")
    state, noise = usual_state(4, 2).to("meta"), torch.empty(4, 5, 2, device="meta")
    assert net(state, known(noise), state)[0].shape == (4, 5, 2)
    assert net.log_density(noise[:, 0], state, state).shape == (4, 2)


def test_scaling_knows_the_usual_memory() -> None:
    returns = np.random.default_rng(0).standard_normal((1000, 2)) * [0.01, 0.3]
    scaling = Scaling.of(returns, Generator(2, CONFIG))
    np.testing.assert_allclose(scaling.usual[:, :2].sum(axis=1), 1, atol=0.02)
    np.testing.assert_allclose(scaling.deviation, [0.01, 0.3], rtol=0.1)


def test_parameters_grow_linearly_in_assets() -> None:
    one, two, ten = (sum(p.numel() for p in Generator(assets, CONFIG).parameters()) for assets in (1, 2, 10))
    assert ten == 5 * two
    assert two == 2 * (one + 2 * COUNT)  # several assets also remember the market
