"""WGAN-GP: slopes of critics are drawn to 1 (Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville 2017)."""

from tsgan import penalties
from tsgan.objectives.objective import Objective

WGAN_GP = Objective(penalty=penalties.two_sided)
