"""Wasserstein losses (Arjovsky, Chintala and Bottou 2017): scores in, one value a path out."""

from torch import Tensor


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What the critic lowers, f(fake) - f(real); minus its mean is the Wasserstein estimate."""
    return fake - real


def generator_loss(fake: Tensor) -> Tensor:
    """What the generator lowers, -f(fake)."""
    return -fake
