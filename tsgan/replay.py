"""Many small operations of torch as one call, so that threads do not wait for each other between them.

Python's lock changes hands at every operation, and who waits for it is put to sleep: with some forty operations a step,
two threads were hardly quicker than one. TorchScript records what a step does and repeats it without that lock, by the
same kernels and to the same bits. It is deprecated, though torch has no other way that needs no compiler. On Python
3.14, where it may break, and with ``PYTORCH_JIT=0`` work goes on operation by operation.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

_LOCK = threading.Lock()  # recordings, and the filter of warnings, are the process's
_RECORDED: dict[Hashable, Callable[..., Tensor]] = {}
_MOST = 100  # torch never forgets a recording, which takes about a MiB


def recorded(kind: Hashable, work: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Callable[..., Tensor]:
    """Return work as one call that takes as many tensors of the same shapes; it is done with ``inputs`` to record it.

    Parameters
    ----------
    kind : all that decides what is done beside the shapes of the inputs: functions, and numbers that are no tensors
    work : done without gradients, by the same operations whatever numbers the tensors hold
    inputs : every tensor that work takes, or knows otherwise
    """
    key = (kind, *((tensor.dtype, *tensor.shape) for tensor in inputs))
    with _LOCK:
        if key not in _RECORDED:
            if sys.version_info >= (3, 14) or len(_RECORDED) == _MOST:  # TorchScript may break on Python 3.14
                return work
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call: Callable[..., Tensor] = torch.jit.trace(work, tuple(inputs), check_trace=False)
            if call is work:  # PYTORCH_JIT=0
                return work
            _RECORDED[key] = call
        return _RECORDED[key]
