"""Critics: one score a path, one call, no tie between paths."""

import pytest
import torch
from torch import nn

from tsgan.critics import ConvCritic, LSTMCritic, channels

KINDS = [ConvCritic, LSTMCritic]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("past", "future", "assets"), [(128, 128, 1), (40, 33, 3)])
def test_one_score_a_path(kind: type[nn.Module], past: int, future: int, assets: int) -> None:
    scores = kind(assets)(torch.randn(5, future, assets), torch.randn(5, past, assets))
    assert scores.shape == (5,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_depends_on_its_own_path_only(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    critic, future, past = kind(2), torch.randn(6, 64, 2), torch.randn(6, 64, 2)
    order = torch.randperm(6)
    torch.testing.assert_close(critic(future, past)[order], critic(future[order], past[order]))
    torch.testing.assert_close(critic(future, past)[:1], critic(future[:1], past[:1]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_no_batch_norm_and_layer_norm_only_in_branches(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    critic = kind(1)
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in critic.modules())
    calm, past = torch.randn(16, 128, 1), torch.randn(16, 128, 1)
    spread = (critic(3 * calm, 3 * past) - critic(calm, past)).abs().mean()
    assert spread > 1e-2  # amplitude reaches the score: it is not normalised away


def test_channels_mark_the_future() -> None:
    views = channels(torch.randn(2, 5, 3), torch.randn(2, 7, 3))
    assert views.shape == (2, 12, 13)
    torch.testing.assert_close(views[..., -1], torch.tensor([0.0] * 7 + [1.0] * 5).expand(2, -1))


def test_channels_are_what_they_are_called() -> None:
    past, future, given = torch.randn(2, 30, 3), torch.randn(2, 5, 3), torch.randn(2, 35, 2)
    views = channels(torch.cat((future, given[:, 30:]), -1), torch.cat((past, given[:, :30]), -1), 2)
    x = torch.cat((past, future), 1)
    size = (x.square() + 0.01).sqrt()
    assert torch.equal(views[..., :3], x)
    torch.testing.assert_close(views[..., 3:6], size)
    torch.testing.assert_close(views[:, 33, 6:9], size[:, 13:34].mean(1))
    torch.testing.assert_close(views[:, 4, 6:9], (size[:, :5].sum(1) + 16 * size[:, 0]) / 21)  # the first day before it
    torch.testing.assert_close(views[:, 9, 9:12], x[:, :10].sum(1) / 35**0.5)
    assert torch.equal(views[..., 13:], given)


def test_every_critic_runs_on_the_meta_device() -> None:
    for kind in KINDS:
        critic = kind(2).to("meta")
        future = torch.empty(3, 64, 2, device="meta")
        assert critic(future, future).shape == (3,)
