"""On a GPU: the same code, and models that move between devices."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from tsgan import TSGAN, Config, ConfigError, pathwise, penalties, training
from tsgan.config import GeneratorConfig
from tsgan.critics import ConvCritic, LSTMCritic
from tsgan.device import random_stream, resolve_device
from tsgan.diagnostics import Looks, Record, windows_at
from tsgan.generator import Generator
from tsgan.joint import JointNoise, known
from tsgan.objectives import OBJECTIVES
from tsgan.precision import autocast, tf32
from tsgan.training import Unread
from tsgan.windows import Windows

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.cuda
@cuda
@pytest.mark.parametrize("critic", ["conv", "lstm"])
def test_a_model_of_one_device_works_on_the_other(panel: pd.DataFrame, critic: str, tmp_path: Path) -> None:
    config = Config().with_training(steps=3, critic=critic)
    on_gpu = TSGAN(config=config, random_state=0, device="cuda").fit(panel)
    assert on_gpu.law_.device.type == "cuda"
    on_gpu.save(tmp_path / "model.tsgan")
    on_cpu = TSGAN.load(tmp_path / "model.tsgan", device="cpu")
    a, b = (m.sample(2000, length=50, random_state=0).returns for m in (on_gpu, on_cpu))
    np.testing.assert_allclose(a.std(axis=(0, 1)), b.std(axis=(0, 1)), rtol=0.1)
    assert np.array_equal(a, on_gpu.sample(2000, length=50, random_state=0).returns)


@pytest.mark.cuda
@cuda
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains_on_the_gpu(panel: pd.DataFrame, objective: str) -> None:
    """A warning, such as cuDNN's of weights that are not in one piece, would be an error."""
    config = Config().with_training(objective=objective, critic="both", steps=2, critic_warm_up=10)
    model = TSGAN(config=config, random_state=0, device="cuda").fit(panel)
    assert all(np.isfinite(record[1]) for record in model.fit_["training"]["choosing"])


@pytest.mark.cuda
@cuda
def test_auto_takes_the_gpu() -> None:
    assert resolve_device("auto").type == "cuda"


@pytest.mark.cuda
@cuda
@pytest.mark.parametrize("kind", [ConvCritic, LSTMCritic])
def test_critics_learn_the_same_on_both_devices(kind: type[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalties, "interpolate", lambda real, fake, rng: (real + fake) / 2)  # no stream is on both
    config, rng = Config().training, torch.Generator().manual_seed(0)
    real, fake = torch.randn(10, 64, 256, 1, generator=rng), 0.8 * torch.randn(10, 64, 256, 1, generator=rng)
    curves = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        critics = [kind(1).to(device)]
        optimiser = torch.optim.Adam(critics[0].parameters(), config.critic_learning_rate, config.betas)
        with tf32(False):
            steps = [
                training.critic_step(critics, optimiser, a.to(device), b.to(device), config, rng)
                for a, b in zip(real, fake, strict=True)
            ]
        curves.append([[x.item() for x in step] for step in steps])
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-2, atol=1e-4)


@pytest.mark.cuda
@cuda
@pytest.mark.parametrize("assets", [1, 3])
def test_free_runs_have_the_same_gradients_on_both_devices(assets: int) -> None:
    torch.manual_seed(0)
    generator, noise = Generator(assets, GeneratorConfig()), torch.randn(8, 64, assets)
    states = torch.rand(300, assets, 3, len(generator.config.half_lives))
    generator.fix_neutral(states)
    paths, gradients = [], []
    for device in ("cpu", "cuda"):
        generator, states, noise = generator.to(device), states.to(device), noise.to(device)
        with tf32(False):
            path = pathwise.free_run(generator, states[:8], known(noise), states)
            found = torch.autograd.grad(path.square().mean(), list(generator.parameters()), materialize_grads=True)
        paths.append(path.detach().cpu())
        gradients.append(torch.cat([gradient.flatten().cpu() for gradient in found]))
    torch.testing.assert_close(paths[1], paths[0], rtol=1e-3, atol=1e-4)
    assert (gradients[1] - gradients[0]).norm() / gradients[0].norm() < 1e-2


@pytest.mark.cuda
@cuda
@pytest.mark.parametrize("kind", [ConvCritic, LSTMCritic])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("tf32", 0.05), ("bf16", 0.2)])
def test_every_precision_has_the_penalty_of_double_backward(
    kind: type[nn.Module], precision: str, tolerance: float
) -> None:
    torch.manual_seed(0)
    critic, x = kind(1).cuda(), torch.randn(64, 256, 1, device="cuda")

    def score(path: Tensor) -> Tensor:
        with autocast(precision, path.device):
            return critic(path[:, 128:], path[:, :128]).to(path.dtype)  # type: ignore[no-any-return]

    def gradient(norm: Tensor) -> Tensor:
        found = torch.autograd.grad(
            penalties.two_sided(norm).mean(), list(critic.parameters()), allow_unused=True, materialize_grads=True
        )
        return torch.cat([g.flatten() for g in found])

    with tf32(precision == "tf32"):
        found = gradient(penalties.gradient_norm(score, x, penalties.STEPS[precision]))
    precision = "float32"
    with tf32(False):
        exact = gradient(penalties.gradient_norm_exact(score, x))
    assert (found - exact).norm() / exact.norm() < tolerance


@pytest.mark.cuda
@cuda
def test_first_order_penalty_of_an_lstm_is_computed_by_cudnn() -> None:
    critic, x = LSTMCritic(1).cuda(), torch.randn(8, 96, 1, device="cuda")
    names: list[set[str]] = []
    critic.lstm.register_forward_hook(lambda module, inputs, output: names.append(set(graph(output[0]))))

    def score(path: Tensor) -> Tensor:
        return critic(path[:, 48:], path[:, :48])  # type: ignore[no-any-return]  # a Module's call is untyped

    penalties.gradient_norm(score, x).sum().backward()
    penalties.gradient_norm_exact(score, x).sum().backward()
    fused = [any("CudnnRnn" in name for name in found) for found in names]
    assert fused == [True, True, False]


def graph(result: Tensor) -> Iterator[str]:
    """Names of the operations that a result comes from."""
    nodes = [result.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is not None:
            yield node.name()
            nodes += [before for before, _ in node.next_functions]


@pytest.mark.cuda
@cuda
@pytest.mark.parametrize("critic", ["conv", "lstm"])
def test_the_loop_does_not_wait_for_the_gpu(critic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    device, read, seen = torch.device("cuda"), training.read, list[Record]()

    def look(unread: list[Unread]) -> list[Record]:
        torch.cuda.set_sync_debug_mode("default")
        return read(unread)

    monkeypatch.setattr(training, "read", look)
    monkeypatch.setattr(training, "_READ_SECONDS", float("inf"))
    config = dataclasses.replace(Config().training, critic=critic, steps=3, batch=8, past=32, future=32)
    kinds = {"conv": ConvCritic, "lstm": LSTMCritic}
    generator, network = Generator(2, GeneratorConfig()).to(device), kinds[critic](2).to(device)
    generator.prepare()  # constants are moved to a device when they are first needed there
    x, states = torch.randn(300, 2, device=device), torch.rand(301, 2, 3, 10, device=device)
    noise = JointNoise(torch.randn(50, 2), torch.linspace(-1, 1, 50), 0.2, 0.2).to(device)
    some = windows_at(x, states, x[:, :0], (32, 268), 32, 32)
    assert some is not None
    looks = Looks(x, some, some, noise, random_stream(1, device=device))
    torch.cuda.set_sync_debug_mode("error")
    try:
        kept, stopped = training.train(
            generator,
            [network],
            Windows(x, states, 32, 32),
            noise,
            lambda g: g.skew.square().sum(),
            config,
            [3],
            10.0,
            random_stream(0, device=device),
            seen.append,
            looks,
        )
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert stopped is None
    assert len(seen) == 3
    assert set(kept) == {0, 3}


def test_devices_that_are_not_there_get_a_sentence() -> None:
    for name in ("cuda:99", "quantum", "meta"):
        with pytest.raises(ConfigError, match="device"):
            resolve_device(name)
    assert resolve_device("cpu").type == "cpu"
