"""Guidance: silent where nothing is known, and otherwise the law that the covariates tell."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from tsgan import Config
from tsgan.datasets.processes import Garch
from tsgan.generator import Generator
from tsgan.guidance import Guidance, subsets
from tsgan.joint import known
from tsgan.law import Scaling, states_of
from tsgan.memory import remember
from tsgan.warmstart import guide, warm_start

BLOCKS = (2, 3)


def network(assets: int = 2) -> Generator:
    torch.manual_seed(0)
    net = Generator(assets, Config().generator, BLOCKS)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return net


def states(net: Generator, n: int) -> torch.Tensor:
    assets, half_lives = net.momentum.shape
    return torch.rand(n, assets, 5, half_lives, generator=torch.Generator().manual_seed(1)) + 0.2


def test_nothing_known_is_the_law_without_covariates_to_the_bit() -> None:
    net = network()
    s = states(net, 6)
    without, silent = net.prepare()(s), net.prepare()(s, torch.zeros(6, 5))
    for a, b in zip((*without[:2], *without[2]), (*silent[:2], *silent[2]), strict=True):
        assert torch.equal(a.expand_as(b), b)


def test_rows_do_not_touch_each_other() -> None:
    net = network()
    s, given = states(net, 6), torch.randn(6, 5)
    given[2] = 0
    mean, scale, innovation = net.prepare()(s, given)
    alone = net.prepare()(s[2:3])
    torch.testing.assert_close(mean[2:3], alone[0])
    torch.testing.assert_close(scale[2:3], alone[1])
    torch.testing.assert_close(innovation.tail[2:3], alone[2].tail)


def test_runs_follow_the_steps_and_remember_around_their_own_mean() -> None:
    net = network()
    s, given = states(net, 4), torch.randn(4, 3, 5)
    given[..., [1, 4]] = 1  # all known
    noise = torch.randn(4, 3, 2)
    with torch.no_grad():
        whole, end = net(s, known(noise), given=given)
        first, middle = net(s, known(noise[:, :1]), given=given[:, :1])
        rest, last = net(middle, known(noise[:, 1:]), given=given[:, 1:])
        mean, scale, innovation = net.prepare()(s, given[:, 0])
        own_mean = net.prepare()(s)[0]
    torch.testing.assert_close(torch.cat((first, rest), 1), whole)
    torch.testing.assert_close(last, end)
    torch.testing.assert_close(whole[:, 0], mean + scale * innovation.from_normal(noise[:, 0]))
    falling = (whole[:, 0] - own_mean).clamp(max=0).square()
    kept = net.decay[0]
    torch.testing.assert_close(middle[:, :, 0], kept * s[:, :, 0] + (1 - kept) * falling[..., None])
    assert net.guidance is not None
    left = falling * torch.exp(-net.guidance.explained(given[:, 0]).T)
    torch.testing.assert_close(middle[:, :, 3], kept * s[:, :, 3] + (1 - kept) * left[..., None])


def test_runs_remember_what_a_history_leaves() -> None:
    net = network()
    s, given = states(net, 1), torch.randn(1, 40, 5)
    given[..., [1, 4]] = 1
    given[:, 20:, :2] = 0  # the first is known half of the time
    with torch.no_grad():
        path, end = net(s, known(torch.randn(1, 40, 2)), given=given)
        states_of_path = s[:, :, :3].repeat(41, 1, 1, 1)
        for t in range(40):
            mean = net.prepare()(states_of_path[t : t + 1])[0]
            x = path[0, t]
            now = remember(states_of_path[t, ..., None], x[:, None], (x - mean[0])[:, None], net.decay)
            states_of_path[t + 1] = now[..., 0]
        before = torch.cat((states_of_path, s[:, :, 3:].expand(41, -1, -1, -1)), 2)
        history = net.remember_unexplained(path[0], before, given[0])
    torch.testing.assert_close(history[-1:], end)
    torch.testing.assert_close(history[:1], s)


def test_squares_of_a_history_are_centred_for_each_subset() -> None:
    net = network()
    assert net.guidance is not None
    given, y = torch.randn(500, 5), 3 * torch.randn(500, 2)
    given[:, [1, 4]] = 1
    with torch.no_grad():
        for subset in subsets(BLOCKS):
            net.guidance.centre(y, given * subset)
        for subset in subsets(BLOCKS):
            left = y.square() * torch.exp(-net.guidance.explained(given * subset).T)
            torch.testing.assert_close(left.mean(0), torch.ones(2))


def test_subsets_hide_whole_blocks() -> None:
    expected = torch.tensor([[0.0, 0, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    assert torch.equal(subsets(BLOCKS), expected)


def test_what_is_not_known_is_worked_out_from_what_is() -> None:
    rng = torch.Generator().manual_seed(0)
    first = torch.randn(5000, 1, generator=rng)
    second = 0.8 * first + 0.6 * torch.randn(5000, 1, generator=rng)
    ones = torch.ones_like(first)
    guidance = Guidance(1, (2, 2))
    guidance.fix_moments(torch.cat((first, ones, second, ones), 1))
    some = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1], [0.3, 1, 0.4, 1], [0, 0, 0, 0]])
    wanted = torch.tensor([[1.0, 1, 0.8, 0], [0.8, 0, 1, 1], [0.3, 1, 0.4, 1], [0, 0, 0, 0]])
    torch.testing.assert_close(guidance.complete(some), wanted, atol=0.03, rtol=0)


def test_the_law_given_a_covariate_is_learned() -> None:
    """y = m(c) + s(c) z with z normal: heavy tails, volatility and mean are all the covariate's doing."""
    rng = torch.Generator().manual_seed(0)
    c = torch.randn(6000, 1, generator=rng)
    raw = 0.1 * c + torch.exp(0.7 * c - 0.3) * torch.randn(6000, 1, generator=rng)
    y = (raw / raw.std()).double().numpy()
    net = Generator(1, Config().generator, (2,))
    scaling = Scaling.of(y, net)
    x = torch.as_tensor(y / scaling.deviation, dtype=torch.float32)
    s = states_of(net, y, scaling)
    given = torch.cat((c, torch.ones_like(c)), 1)
    warm_start(net, x, s[:-1], Config().warm_start)
    guide(net, x, s, given, Config().warm_start, rng)
    with torch.no_grad():
        s = net.remember_unexplained(x, s, given)[:-1]
        unconditional = net.prepare()(s)[2]
        ends = [net.prepare()(s, torch.tensor([[value, 1.0]]).expand(6000, 2)) for value in (-1.0, 1.0)]
    ratio = (ends[1][1] / ends[0][1]).log().mean().item()
    assert ratio == pytest.approx(1.4, abs=0.1)
    scale = math.exp(-0.3) / raw.std().item()
    difference = (ends[1][0] - ends[0][0]).mean().item()
    assert math.copysign(1, difference) == 1
    assert 0 < difference < 0.6 * scale
    assert unconditional.tail.mean() < 0.85  # heavy-tailed without it
    assert ends[0][2].tail.mean() > unconditional.tail.mean() + 0.05  # less so with it


def test_a_covariate_of_single_days_multiplies_what_the_memory_says() -> None:
    """y = exp(.4 n) times a GARCH return, n new every day."""
    rng = torch.Generator().manual_seed(0)
    n = torch.randn(3000, 1, generator=rng)
    clustered = Garch(omega=2e-6, alpha=0.1, beta=0.88).simulate(1, 3000, seed=0)[0][:, None]
    y = clustered * torch.exp(0.4 * n).double().numpy()
    net = Generator(1, Config().generator, (2,))
    scaling = Scaling.of(y, net)
    x = torch.as_tensor(y / scaling.deviation, dtype=torch.float32)
    s = states_of(net, y, scaling)
    quick = dataclasses.replace(Config().warm_start, steps=200)
    warm_start(net, x, s[:-1], quick)
    guide(net, x, s, torch.cat((n, torch.ones_like(n)), 1), quick, rng)
    with torch.no_grad():
        s = net.remember_unexplained(x, s, torch.cat((n, torch.ones_like(n)), 1))[:-1]
        usual, ahead = (net.prepare()(s, torch.tensor([[v, 1.0]]).expand(3000, 2))[1] for v in (0.0, 1.0))
    assert (ahead / usual).log().mean().item() == pytest.approx(0.4, abs=0.06)
    expected = Garch(omega=2e-6, alpha=0.1, beta=0.88).one_step_volatility(clustered[:, 0])[:-1]
    assert np.corrcoef(np.log(expected), usual[:, 0].log())[0, 1] > 0.9


def test_meta_device_finds_no_stray_tensor() -> None:
    net = network().to("meta")
    out = net(
        torch.empty(3, 2, 5, 10, device="meta"),
        known(torch.empty(3, 4, 2, device="meta")),
        given=torch.empty(3, 4, 5, device="meta"),
    )[0]
    assert out.device.type == "meta"
