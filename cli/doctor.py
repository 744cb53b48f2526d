"""``tsgan doctor``: what is installed, what it computes with, and what is missing."""

import os
import platform
from importlib.metadata import PackageNotFoundError, metadata, version
from typing import Any

from tsgan.cli import options
from tsgan.cli.console import say_json, say_values
from tsgan.errors import ConfigError

_FOR_DEVELOPERS = ("dev", "docs")


def doctor(json: options.Json = False) -> None:
    """Show versions, device and threads, and what is missing.

    Examples
    --------
    tsgan doctor
    tsgan doctor --json
    """
    packages, extras = _installed()
    found = {
        "tsgan": version("tsgan"),
        "python": f"{platform.python_version()} on {platform.platform()}",
        "computes": _device(),
        "packages": packages,
        "extras": extras,
    }
    say_json(found) if json else say_values(found)
    wrong = [name for name, state in packages.items() if "needs" in state]
    if wrong:
        raise ConfigError(f"{', '.join(wrong)} must be installed anew: pip install --upgrade {' '.join(wrong)}")


def _installed() -> tuple[dict[str, str], dict[str, str]]:
    """State of every package that tsgan needs, and of every extra."""
    from packaging.requirements import Requirement

    about = metadata("tsgan")
    needed = [Requirement(text) for text in about.get_all("Requires-Dist") or []]
    extras = {}
    for extra in about.get_all("Provides-Extra") or []:
        parts = [r for r in needed if r.marker and r.marker.evaluate({"extra": extra})]
        states = [f"{r.name} {_state(r.name, r.specifier)}" for r in parts]
        missing = any("needs" in state for state in states)
        extras[extra] = f"missing; pip install 'tsgan[{extra}]'" if missing else ", ".join(states)
    packages = {r.name: _state(r.name, r.specifier) for r in needed if not r.marker or r.marker.evaluate({"extra": ""})}
    return packages, {extra: state for extra, state in extras.items() if extra not in _FOR_DEVELOPERS}


def _state(name: str, wanted: Any) -> str:
    """Version of a package, and which one is needed where that is another."""
    try:
        have = version(name)
    except PackageNotFoundError:
        return f"missing, needs {wanted}"
    return have if wanted.contains(have, prereleases=True) else f"{have}, needs {wanted}"


def _device() -> dict[str, Any]:
    """What `--device auto` and `--threads` are on this machine."""
    try:
        import torch
    except ImportError as error:
        return {"device": f"none: {error}"}
    from tsgan.device import resolve_device

    device = resolve_device("auto")
    if device.type == "cuda":
        gpu = torch.cuda.get_device_name(device)
    else:
        gpu = "none found" if torch.version.cuda else "none: torch was built without CUDA"
    return {"device": str(device), "gpu": gpu, "threads": torch.get_num_threads(), "processors": os.cpu_count()}
