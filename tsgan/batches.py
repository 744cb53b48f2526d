"""How work on many paths is cut, so that path i never depends on how many are asked for, nor on the number of threads.

Every `stream_of` paths, 512 but for very long ones, have one stream of random numbers. Streams are computed together in
batches, whose sizes depend on the shape of a path only: first one stream, so that few paths are quick, then always
more, since the fixed cost of a step is shared by all paths of a batch. Batches are computed by threads of this process
or, where ``joblib.parallel_config`` names workers, by those.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

import torch
from joblib import Parallel, effective_n_jobs

from tsgan.jobs import results

STREAM = 512
_THREADS = 4  # each needs some 70 MiB
_WIDEST = 16384  # assets of all paths together: wider is hardly quicker
_LARGEST = 2**22  # numbers of all paths together
_STREAM_LARGEST = 2**23  # numbers of a stream: 200 MiB while it is computed

Result = TypeVar("Result")


def stream_of(length: int, assets: int) -> int:
    """How many paths of so many steps have one stream of random numbers."""
    return max(1, min(STREAM, _STREAM_LARGEST // (length * assets)))


def batches(n: int, length: int, assets: int) -> Iterator[range]:
    """Yield the streams of each batch, until they have n paths."""
    paths = stream_of(length, assets)
    most = max(1, min(_WIDEST, _LARGEST // length) // (paths * assets))
    first, size = 0, 1
    while first * paths < n:
        yield range(first, first + size)
        first += size
        size = min(most, first)


def in_order(work: Callable[[range], Result], parts: Iterator[range], threads: int) -> Iterator[Result]:
    """Yield the result of each part in order, while so many threads, or joblib's workers, work on the next ones.

    torch computes each part on one thread: the bits of a result do not depend on how many there are.
    """
    workers = Parallel().n_jobs  # 1 unless parallel_config says otherwise
    return _by_threads(work, parts, min(threads, _THREADS)) if workers == 1 else _by_workers(work, parts, workers)


def _by_workers(work: Callable[[range], Result], parts: Iterator[range], workers: int) -> Iterator[Result]:
    while some := list(islice(parts, effective_n_jobs(workers))):  # joblib itself would not wait for who takes them
        yield from (done.result for done in results(partial(work, part) for part in some))


def _by_threads(work: Callable[[range], Result], parts: Iterator[range], threads: int) -> Iterator[Result]:
    before = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1)) as pool:
        ahead = deque(pool.submit(work, part) for part in islice(parts, threads))
        try:
            while ahead:
                result = ahead.popleft().result()
                ahead.extend(pool.submit(work, part) for part in islice(parts, 1))
                yield result
        finally:
            for waiting in ahead:
                waiting.cancel()
            torch.set_num_threads(before)  # a new thread takes the number that was set last
