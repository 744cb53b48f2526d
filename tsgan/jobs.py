"""Pieces of work that do not need each other, by joblib: in this process, in others, or on a cluster.

``joblib.parallel_config(backend=...)`` decides where. A task brings its own seed and computes with one thread, torch's
and BLAS's (scipy's optimisers end elsewhere with two), so that its result is the same bit by bit wherever it runs.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Generic, NamedTuple, TypeVar

from joblib import Parallel, delayed
from joblib.parallel import get_active_backend
from threadpoolctl import threadpool_limits

from tsgan.config import check_whole
from tsgan.errors import ConfigError, TrainingError, TsganWarning

Result = TypeVar("Result")
_TURN = threading.Lock()


class Done(NamedTuple, Generic[Result]):
    """What became of a task."""

    result: Result
    said: list[tuple[str, type[Warning]]]
    """Its warnings, to be given again where they can be seen"""


def results(tasks: Iterable[Callable[[], Result]], n_jobs: int | None = None) -> Iterator[Done[Result]]:
    """Run tasks and yield what became of them in their order, as soon as the backend tells.

    Parameters
    ----------
    tasks : callables that can be pickled, together with what they return
    n_jobs : how many at once, -1 for one a processor; by default what ``joblib.parallel_config`` says, otherwise one

    Raises
    ------
    ConfigError
        ``n_jobs`` is no number of workers.
    TrainingError
        A worker ended before its work was done.
    """
    if n_jobs is not None:
        check_whole("n_jobs", n_jobs, -1)
        if n_jobs == 0:
            raise ConfigError("n_jobs must be a whole number >= 1, or -1 for one a processor, not 0")
    backend = get_active_backend()[0]
    # what takes the results would change the filters of warnings under the feet of threads; Ray cannot stream at all
    streams = backend.supports_return_generator and not getattr(backend, "supports_sharedmem", False)
    parallel = Parallel(n_jobs, return_as="generator" if streams else "list")
    try:
        with _one_thread():  # here too, for tasks that are threads of this process
            yield from parallel(delayed(_alone)(task) for task in tasks)
    except BrokenProcessPool as error:
        message = "one of the processes that work side by side was ended, perhaps for want of memory; use fewer at once"
        raise TrainingError(message) from error


def _alone(task: Callable[[], Result]) -> Done[Result]:
    """Run a task; threads of one process take turns, since it has only one stream of random numbers and one filter."""
    with _TURN, _one_thread(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TsganWarning)
        result = task()
    return Done(result, [(str(warning.message), warning.category) for warning in caught])


@contextmanager
def _one_thread() -> Iterator[None]:
    from tsgan.device import threads_for  # torch waits until it is used

    with threads_for(1), threadpool_limits(1, "blas"):
        yield
