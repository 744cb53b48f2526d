"""WGAN-LP: slopes of critics above 1 are punished, those below are free (Petzka, Fischer and Lukovnikov 2017)."""

from tsgan import penalties
from tsgan.objectives.objective import Objective

WGAN_LP = Objective(penalty=penalties.one_sided)
