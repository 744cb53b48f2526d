"""The checkpoint of a fit: one file from which the same fit goes on to the same bits, whatever ended it.

It is a file of :mod:`tsgan.store`: the result of the first half as soon as there is one, and the state of the loop
(:mod:`tsgan.state`) of the half under way. It is written anew every few seconds, and appears whole or not at all.
"""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from tsgan.errors import ModelFileError, TrainingWarning
from tsgan.store import read_model, write_model

SAVE_SECONDS = 10.0
_SHARE = 0.005  # of a fit's time, at most, that is spent on writing


class Checkpoint:
    """How far a fit has come, on the disk or, without a path, nowhere.

    Parameters
    ----------
    path : the file, or None
    key : of everything that decides the fit; a checkpoint with another key is of another fit
    resume : go on from what is there; what cannot be gone on from is named in a TrainingWarning

    Attributes
    ----------
    choice : result of the first half, None while it is under way
    state : tensors of the loop to go on from in the half under way; none at its beginning
    """

    def __init__(self, path: Path | None = None, key: str = "", *, resume: bool = False) -> None:
        self.path, self.key = path, key
        self.choice: dict[str, Any] | None = None
        self.state: dict[str, Tensor] = {}
        self.asked_to_stop = False
        self._next = time.monotonic() + SAVE_SECONDS
        if path and resume:
            self._read(path)

    @property
    def steps(self) -> int:
        """Steps that the state to go on from has made."""
        return len(self.state["records"]) if self.state else 0

    def keep_choice(self, choice: dict[str, Any]) -> None:
        """Write the result of the first half, with which the second begins; plain values."""
        if self.path:
            self.choice, self.state = choice, {}
            self._write(self.path, {})

    def keep_state(self, tensors: Callable[[], dict[str, Tensor]], *, last: bool) -> None:
        """Write the state after a step, if it is time, or the last step; raise a KeyboardInterrupt that has waited."""
        if self.path and (last or self.asked_to_stop or time.monotonic() >= self._next):
            self._write(self.path, tensors())
        if self.asked_to_stop:
            raise KeyboardInterrupt

    @contextmanager
    def stops_after_a_step(self) -> Iterator[None]:
        """Let Ctrl-C wait for :meth:`keep_state`, and SIGTERM where it means the same; the second does not wait."""
        held = []
        if self.path and threading.current_thread() is threading.main_thread():
            held = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is signal.default_int_handler]

        def hold(number: int, frame: Any) -> None:
            if self.asked_to_stop:
                raise KeyboardInterrupt
            self.asked_to_stop = True

        for number in held:
            signal.signal(number, hold)
        try:
            yield
        finally:
            for number in held:
                signal.signal(number, signal.default_int_handler)
        if self.asked_to_stop:
            raise KeyboardInterrupt

    def _read(self, path: Path) -> None:
        try:
            tensors, document = read_model(path)
        except FileNotFoundError:
            return
        except ModelFileError:
            warnings.warn(f"{path} is damaged or no checkpoint; the fit starts anew", TrainingWarning, stacklevel=4)
            return
        if document.get("key") == self.key:
            self.choice, self.state = document["choice"], tensors
            return
        message = f"{path} is of other data, another configuration, seed, device or version; the fit starts anew"
        warnings.warn(message, TrainingWarning, stacklevel=4)

    def _write(self, path: Path, tensors: dict[str, Tensor]) -> None:
        begin = time.monotonic()
        try:
            write_model(path, tensors, {"key": self.key, "choice": self.choice})
        except OSError as error:  # the disk may have room again when the model is written
            message = f"no checkpoint could be written to {path}: {error.strerror}; the fit goes on without"
            warnings.warn(message, TrainingWarning, stacklevel=3)
        now = time.monotonic()
        self._next = now + max(SAVE_SECONDS, (now - begin) / _SHARE)


NOWHERE = Checkpoint()
