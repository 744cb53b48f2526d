"""The Wasserstein family: what critics and generator play for, one file a member, one record each.

The settings of each member's paper are :data:`tsgan.config.PRESETS`.
"""

from tsgan.objectives.clip import WGAN_CLIP
from tsgan.objectives.cramer import CRAMER
from tsgan.objectives.gp import WGAN_GP
from tsgan.objectives.lp import WGAN_LP
from tsgan.objectives.objective import Objective, Output
from tsgan.objectives.spectral import SPECTRAL

OBJECTIVES = {
    "wgan-clip": WGAN_CLIP,
    "wgan-gp": WGAN_GP,
    "wgan-lp": WGAN_LP,
    "spectral": SPECTRAL,
    "cramer": CRAMER,
}

__all__ = ["OBJECTIVES", "Objective", "Output"]
