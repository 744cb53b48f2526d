"""What a critic sees of a path: the returns and the views of them in which stylized facts show."""

from __future__ import annotations

import torch
from torch import Tensor

VIEWS = 4
_MONTH = 21


def channels(future: Tensor, past: Tensor, conditions: int = 0) -> Tensor:
    """Stack past and future and add views, all smooth in the future.

    Parameters
    ----------
    future : (n, time, assets) standardised returns, real or generated
    past : (n, past, assets) the real returns before them
    conditions : columns at the end of both that are no returns but covariates; they are shown as they are

    Returns
    -------
    (n, past + time, 4 assets + 1 + conditions): return, smooth absolute return, its mean over a month, cumulated return
    scaled by the root of the length; a mask that is 1 on the future; the covariates.
    """
    x = torch.cat((past, future), 1)
    x, given = x.tensor_split((x.shape[-1] - conditions,), -1)
    size = torch.sqrt(x.square() + 0.01)  # |x| without its kink: the penalty's difference quotient needs smoothness
    total = torch.cat((size[:, :1].expand(-1, _MONTH, -1), size), 1).cumsum(1)
    month = (total[:, _MONTH:] - total[:, :-_MONTH]) / _MONTH
    walk = x.cumsum(1) / x.shape[1] ** 0.5
    mask = x.new_zeros(*x.shape[:2], 1)
    mask[:, past.shape[1] :] = 1
    return torch.cat((x, size, month, walk, mask, given), -1)
