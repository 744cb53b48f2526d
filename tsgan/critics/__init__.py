"""Critics: critic(future, past) -> one score a path, or a vector; (n, time, assets), (n, past, assets) -> (n,)."""

from tsgan.critics.conv import ConvCritic
from tsgan.critics.features import channels
from tsgan.critics.lstm import LSTMCritic

__all__ = ["ConvCritic", "LSTMCritic", "channels"]
