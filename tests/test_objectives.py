"""The Wasserstein family against what is known of it: closed forms, scipy's distances, and where its critics lead.

Critics here are small and see points on a line as two numbers, the second 0: a slope of 1 can then turn round. On the
line itself it would have to pass 0, where the two-sided penalty is high: WGAN-GP may stay upside down there.
"""

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import energy_distance, wasserstein_distance
from torch import Tensor, nn
from torch.nn import functional

from tsgan import Config, penalties
from tsgan.config import PRESETS, TrainingConfig
from tsgan.critics import ConvCritic, LSTMCritic
from tsgan.objectives import OBJECTIVES, Output, cramer
from tsgan.optimisers import optimiser
from tsgan.training import critic_rounds, critic_step, critic_terms

BOUNDED = ["wgan-gp", "wgan-lp", "spectral"]  # their critics' slopes are about 1, so that they estimate W1 itself
DISTANCES = [1.0, 10.0, 100.0]
SLOPE_OF_SILU = 1.1  # its largest: spectral normalisation does not count it


class Small(nn.Module):
    """Two hidden layers: (n, ...) -> (n,) or (n, outputs)."""

    def __init__(self, inputs: int, outputs: int, width: int = 32) -> None:
        super().__init__()
        hidden = nn.Linear(width, width)
        self.net = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), hidden, nn.SiLU(), nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.net(x.flatten(1))
        return h.squeeze(-1)


def on_line(x: Tensor) -> Tensor:
    """Numbers as windows: (n,) -> (n, 2, 1)."""
    return torch.stack((x, torch.zeros_like(x)), 1)[..., None]


def settings(name: str, **changes: object) -> TrainingConfig:
    return Config().with_training(objective=name, **changes).training


def learned(
    name: str, real: Tensor, fake: Tensor, steps: int, *, width: int = 32, penalty: float | None = None
) -> tuple[Small, list[float]]:
    """A critic after so many of its steps, every pair of a real and a fake window being met, and its estimates."""
    torch.manual_seed(0)
    rng, config, objective = torch.Generator().manual_seed(0), settings(name, penalty=penalty), OBJECTIVES[name]
    critic = Small(real[0].numel(), objective.outputs, width)
    objective.prepare(critic)
    groups = [{"params": list(critic.parameters()), "weight_decay": 0.0}]
    moves, estimates = optimiser(config.optimiser, groups, 2e-3, config.betas), []
    for _ in range(steps):
        a, b = (x[torch.randperm(len(x), generator=rng)] for x in (real, fake))
        loss, slope, _ = critic_terms(critic, a, b, penalties.interpolate(a, b, rng), config)
        moves.zero_grad()
        (loss + config.penalty * slope).backward()
        moves.step()
        objective.settle(critic, config)
        estimates.append(-loss.item())
    return critic, estimates


def pull(name: str, critic: Output, real: Tensor, fake: Tensor) -> float:
    """What the generator's loss would gain if all fake points moved right by a unit."""
    shift = torch.zeros((), requires_grad=True)
    loss = OBJECTIVES[name].generator_loss(critic, real, fake + on_line(shift[None])).mean()
    return torch.autograd.grad(loss, shift)[0].item()


def js_discriminator(real: Tensor, fake: Tensor, steps: int) -> tuple[float, float]:
    """What a GAN's discriminator learns in as many steps: its Jensen-Shannon divergence, and the generator's pull."""
    torch.manual_seed(0)
    critic = Small(2, 1)
    moves = torch.optim.Adam(critic.parameters(), 2e-3, (0.0, 0.9))
    for _ in range(steps):
        loss = functional.softplus(-critic(real)).mean() + functional.softplus(critic(fake)).mean()
        moves.zero_grad()
        loss.backward()
        moves.step()
    shift = torch.zeros((), requires_grad=True)
    generator_loss = -functional.softplus(critic(fake + on_line(shift[None]))).mean()  # log(1 - D)
    return math.log(2) - loss.item() / 2, torch.autograd.grad(generator_loss, shift)[0].item()


def firm(name: str) -> float:
    """A weight of the penalty, if there is one, that holds the slope at 1; the papers' 10 lets it be 1 + W1 / 20."""
    return 10 * settings(name).penalty


def test_every_member_has_all_settings_of_its_paper() -> None:
    assert list(OBJECTIVES) == list(PRESETS)
    assert len({tuple(sorted(preset)) for preset in PRESETS.values()}) == 1
    clip = settings("wgan-clip")
    assert (clip.optimiser, clip.critic_learning_rate, clip.generator_learning_rate) == ("rmsprop", 5e-5, 5e-5)
    assert (clip.clip, clip.critic_steps, clip.penalty) == (0.01, 5, 0.0)
    gp = settings("wgan-gp")
    assert (gp.optimiser, gp.critic_learning_rate, gp.betas, gp.critic_steps) == ("adam", 1e-4, (0.0, 0.9), 5)
    assert gp.penalty == settings("wgan-lp").penalty == settings("cramer").penalty == 10.0


def test_wgan_warms_its_critic_up_with_100_steps_at_25_generator_steps_and_every_500th() -> None:
    config = settings("wgan-clip", steps=1200)
    steps = [config.critic_steps * critic_rounds(step, config) for step in range(1, 1201)]
    assert [step for step, count in enumerate(steps, 1) if count == 100] == [*range(1, 26), 500, 1000]
    assert set(steps) == {5, 100}


def test_by_default_the_critic_warms_up_once() -> None:
    config = Config().training
    assert [critic_rounds(step, config) for step in range(1, 5)] == [34, 1, 1, 1]  # 3 steps each
    assert critic_rounds(1, Config().with_training(steps=2).training) == 3  # not longer than the training
    assert critic_rounds(1, settings("wgan-gp")) == 1


@pytest.mark.parametrize("scale", [0.5, 1.5])
@pytest.mark.parametrize(
    ("name", "penalty"),
    [
        ("wgan-gp", lambda norm: (norm - 1) ** 2),
        ("wgan-lp", lambda norm: max(0.0, norm - 1) ** 2),
        ("wgan-clip", lambda _: 0.0),  # has none
        ("spectral", lambda _: 0.0),
    ],  # the Cramér GAN's function is a difference of distances, which no linear h makes linear
)
def test_linear_critics_have_their_exact_penalty(name: str, penalty: Callable[[float], float], scale: float) -> None:
    weight = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight *= scale / weight.norm()
    real, fake, between = torch.randn(3, 6, 20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    loss, slope, _ = critic_terms(lambda x: (x * weight).flatten(1).sum(1), real, fake, between, settings(name))
    assert slope.item() == pytest.approx(penalty(scale))
    assert loss.item() == pytest.approx(((fake - real) * weight).sum().item() / 6)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_points_however_far_apart_the_generator_is_pulled(name: str, distance: float) -> None:
    real, fake = on_line(torch.zeros(16)), on_line(torch.full((16,), distance))
    critic, estimates = learned(name, real, fake, 400)
    found = pull(name, critic, real, fake)
    if name in ("wgan-gp", "wgan-lp"):  # a slope s costs penalty (s - 1)^2 and gains s distance
        slope = 1 + distance / (2 * settings(name).penalty)
        assert found == pytest.approx(slope, rel=0.1)
        assert np.mean(estimates[-50:]) == pytest.approx(slope * distance, rel=0.1)
    elif name == "spectral":
        assert 0.5 < found < SLOPE_OF_SILU**2
        assert 0.5 * distance < estimates[-1] < SLOPE_OF_SILU**2 * distance
    elif name == "cramer":  # a distance of its own, in h; its pull does not vanish either
        assert found > 0.5
    else:  # some multiple of W1, far below it; with the distance the pull does not vanish
        assert found > 1e-4
        assert estimates[-1] / distance > 1e-4


@pytest.mark.parametrize("distance", DISTANCES)
def test_jensen_shannon_is_flat_there_and_pulls_nobody(distance: float) -> None:
    assert wasserstein_distance([0.0], [distance]) == distance
    divergence, found = js_discriminator(on_line(torch.zeros(16)), on_line(torch.full((16,), distance)), 400)
    assert divergence == pytest.approx(math.log(2), abs=0.01)
    assert abs(found) < 0.01


@pytest.mark.parametrize("name", OBJECTIVES)
def test_more_critic_steps_do_not_hurt_the_generator(name: str) -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = on_line(torch.randn(32, generator=rng)), on_line(torch.randn(32, generator=rng) + 10)
    pulls = [pull(name, learned(name, real, fake, steps)[0], real, fake) for steps in (150, 600)]
    assert pulls[1] > 0.8 * pulls[0]
    assert pulls[0] > (1e-4 if name == "wgan-clip" else 0.5)


def test_more_discriminator_steps_do() -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = on_line(torch.randn(32, generator=rng)), on_line(torch.randn(32, generator=rng) + 10)
    pulls = [abs(js_discriminator(real, fake, steps)[1]) for steps in (150, 600)]
    assert pulls[1] < 0.5 * pulls[0]
    assert pulls[1] < 0.01


@pytest.mark.parametrize("name", BOUNDED)
def test_a_critic_trained_to_optimality_recovers_scipys_wasserstein_distance(name: str) -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(128, generator=rng), torch.randn(128, generator=rng) * 1.5 + 1
    exact = wasserstein_distance(real.numpy(), fake.numpy())
    found = np.mean(learned(name, on_line(real), on_line(fake), 800, penalty=firm(name))[1][-100:])
    if name == "spectral":
        assert 0.9 * exact < found < SLOPE_OF_SILU**2 * exact
    else:
        assert found == pytest.approx(exact, rel=0.03)


def test_clipped_critics_recover_a_multiple_of_it() -> None:
    rng = torch.Generator().manual_seed(0)
    real, noise = torch.randn(64, generator=rng), torch.randn(64, generator=rng)
    ratios = []
    for shift in (3.0, 6.0, 12.0):
        estimates = learned("wgan-clip", on_line(real), on_line(noise + shift), 600)[1]
        ratios.append(estimates[-1] / wasserstein_distance(real.numpy(), (noise + shift).numpy()))
    assert max(ratios) < 0.01
    assert max(ratios) / min(ratios) < 1.2


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize(("shift", "tolerance"), [(1.0, 0.12), (2.0, 0.05)])  # the closer, the more bent a critic
def test_on_windows_it_is_the_exact_assignment_distance(name: str, shift: float, tolerance: float) -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(32, 8, 1, generator=rng), torch.randn(32, 8, 1, generator=rng) + shift
    costs = torch.cdist(real.flatten(1), fake.flatten(1)).numpy()
    exact = costs[linear_sum_assignment(costs)].mean()
    found = np.mean(learned(name, real, fake, 1000, width=64, penalty=firm(name))[1][-50:])
    if name == "spectral":
        assert 0.9 * exact < found < SLOPE_OF_SILU**2 * exact
    else:
        assert found == pytest.approx(exact, rel=tolerance)


def test_the_cramer_loss_is_the_energy_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of samples, in the mean over their halves, scipy's; it knows pairs of a point with itself, 1 / n of all."""
    monkeypatch.setattr(cramer, "_SMOOTH", 0.0)
    rng = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(20, 1, dtype=torch.float64, generator=rng) + shift for shift in (0.0, 2.0))
    found = np.array(
        [-cramer.critic_loss(*(h[torch.randperm(20, generator=rng)] for h in (real, fake))).mean() for _ in range(4000)]
    )
    within = sum((h - h.T).abs().sum().item() for h in (real, fake))
    exact = energy_distance(real[:, 0].numpy(), fake[:, 0].numpy()) ** 2 + within / 20**2 - within / (20 * 19)
    assert abs(found.mean() - exact) < 4 * found.std() / 4000**0.5


def test_sample_gradients_of_the_cramer_gan_are_unbiased_and_those_of_w1_are_not() -> None:
    """Of batches of 8 drawn from 50 points each; the fakes are scaled by what the generator learns, here 0.9."""
    rng = torch.Generator().manual_seed(0)
    real, noise = torch.randn(2, 50, 1, generator=rng)
    scale = torch.tensor(0.9, requires_grad=True)

    def energy(real: Tensor, noise: Tensor) -> Tensor:
        return cramer.generator_loss(lambda x: x, real, scale * noise).mean()

    def w1(real: Tensor, noise: Tensor) -> Tensor:
        return (real.sort(0).values - (scale * noise).sort(0).values).abs().mean()

    def gradient(loss: Tensor) -> float:
        return torch.autograd.grad(loss, scale)[0].item()

    of_all = scale * noise  # every pair, as often as batches have it
    across, within = cramer.distance(of_all, real).mean(), cramer.distance(of_all, of_all).mean()
    whole = {"energy": gradient(2 * across - within), "w1": gradient(w1(real, noise))}
    errors = {}
    for name, loss in (("energy", energy), ("w1", w1)):
        draws = [torch.randint(50, (2, 8), generator=rng) for _ in range(4000)]
        found = np.array([gradient(loss(real[i], noise[j])) for i, j in draws])
        errors[name] = abs(found.mean() - whole[name]) / (found.std() / 4000**0.5)
    assert errors["energy"] < 3
    assert errors["w1"] > 20


@pytest.mark.parametrize("kind", [ConvCritic, LSTMCritic])
def test_the_cramer_penalty_has_the_gradient_of_double_backward(
    kind: type[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    critic, config = kind(1, outputs=16), settings("cramer")
    for parameter in critic.parameters():
        parameter.data *= 1.5  # of a critic that has learned
    real, fake = 1.5 * torch.randn(2, 8, 96, 1)
    between = penalties.interpolate(real, fake, torch.Generator().manual_seed(0))
    gradients = []
    for norm in (penalties.gradient_norm, lambda score, x, step: penalties.gradient_norm_exact(score, x)):
        monkeypatch.setattr(penalties, "gradient_norm", norm)
        slope = critic_terms(lambda x: critic(x[:, 48:], x[:, :48]), real, fake, between, config)[1]
        found = torch.autograd.grad(slope, list(critic.parameters()), allow_unused=True, materialize_grads=True)
        gradients.append(torch.cat([gradient.flatten() for gradient in found]))
    assert (gradients[0] - gradients[1]).norm() / gradients[1].norm() < 3e-3


def one_step(name: str, critic: nn.Module, rate: float) -> None:
    config = settings(name, past=48, future=48)
    groups = [{"params": list(critic.parameters()), "weight_decay": 0.0}]
    real, fake = torch.randn(2, 8, 96, 1, generator=torch.Generator().manual_seed(0))
    moves = optimiser(config.optimiser, groups, rate, config.betas)
    critic_step([critic], moves, real, fake, config, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", [ConvCritic, LSTMCritic])
def test_weights_are_clamped_after_every_step(kind: type[nn.Module]) -> None:
    critic = kind(1)
    assert max(p.abs().max().item() for p in critic.parameters()) > 0.1
    one_step("wgan-clip", critic, 1e-2)
    assert max(p.abs().max().item() for p in critic.parameters()) == pytest.approx(0.01)


@pytest.mark.parametrize("kind", [ConvCritic, LSTMCritic])
def test_spectral_normalisation_reaches_every_matrix(kind: type[nn.Module]) -> None:
    """An LSTM's too; one step of the power iteration a critic step, none between the passes of one."""
    torch.manual_seed(0)
    critic, x, spectral = kind(1), torch.randn(4, 96, 1), OBJECTIVES["spectral"]
    places = [(module, name) for module in critic.modules() for name, p in module._parameters.items() if matrix(p)]
    assert len(places) == (8 if kind is ConvCritic else 5)

    def norms() -> list[float]:
        weights = [getattr(*place).detach().flatten(1) for place in places]
        return [torch.linalg.matrix_norm(weight, 2).item() for weight in weights]

    spectral.prepare(critic)
    assert norms() == pytest.approx([1.0] * len(places), abs=0.1)
    first = critic(x[:, 48:], x[:, :48])
    assert torch.equal(critic(x[:, 48:], x[:, :48]), first)  # no pass has changed anything
    twin = copy.deepcopy(critic)
    first.sum().backward()
    assert all(p.grad is not None for p in critic.parameters())
    before = [buffer.clone() for buffer in critic.buffers()]
    spectral.settle(critic, settings("spectral"))
    assert not all(map(torch.equal, critic.buffers(), before))  # the left one of a single row is always 1
    start = [getattr(*place).detach() for place in places]
    for _ in range(30):
        one_step("spectral", critic, 1e-3)
    assert not any(torch.equal(getattr(*place), old) for place, old in zip(places, start, strict=True))
    for _ in range(200):  # one a step follows the weights, a little behind
        spectral.settle(critic, settings("spectral"))
    assert norms() == pytest.approx([1.0] * len(places), abs=1e-2)
    assert torch.equal(twin(x[:, 48:], x[:, :48]), first)


def matrix(parameter: Tensor | None) -> bool:
    return parameter is not None and parameter.ndim > 1


def test_optimisers_are_torchs_with_decoupled_decay() -> None:
    for name, reference in (("adam", torch.optim.AdamW), ("rmsprop", torch.optim.RMSprop)):
        ours, theirs = (torch.ones(3, requires_grad=True) for _ in range(2))
        kwargs = {"betas": (0.0, 0.9)} if name == "adam" else {}
        pair = (
            optimiser(name, [{"params": [ours], "weight_decay": 0.0}], 0.1, (0.0, 0.9)),
            reference([theirs], 0.1, weight_decay=0.0, **kwargs),  # type: ignore[arg-type]
        )
        for x, moves in zip((ours, theirs), pair, strict=True):
            for k in range(3):
                moves.zero_grad()
                (x * torch.tensor([1.0, -2.0, k])).sum().backward()
                moves.step()
        assert torch.equal(ours, theirs)
        decayed = torch.ones(3, requires_grad=True)
        moves = optimiser(name, [{"params": [decayed], "weight_decay": 2.0}], 0.1, (0.0, 0.9))
        decayed.grad = torch.zeros(3)
        moves.step()
        torch.testing.assert_close(decayed.detach(), torch.full((3,), 1 - 0.1 * 2.0))
