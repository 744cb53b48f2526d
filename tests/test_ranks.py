"""One model on several devices: the same as on one, nothing of the user's runs twice, and what fails is said."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tsgan import TSGAN, Config, ConfigError, TrainingError
from tsgan.config import GeneratorConfig, WarmStartConfig
from tsgan.covariates import Inputs
from tsgan.diagnostics import Record
from tsgan.fitting import Fit, fit_laws
from tsgan.ranks import ALONE, Ranks, on_devices

CPU = torch.device("cpu")
RETURNS = np.random.default_rng(0).standard_t(5, (400, 1)) * 0.01
TINY = Config(
    # every day is near: otherwise rounding makes several assets draw another day now and then
    generator=GeneratorConfig(neighbours=1.0),
    warm_start=WarmStartConfig(steps=20),
).with_training(steps=4, batch=12)


def test_shares_are_all_rows_once() -> None:
    x = torch.arange(12.0).reshape(6, 2)
    assert torch.equal(torch.cat([Ranks(rank, 3).share(x) for rank in range(3)]), x)


def test_alone_everything_is_ones_own() -> None:
    x = torch.randn(4, 2)
    assert torch.equal(ALONE.share(x), x)
    assert ALONE.whole(x) is x
    assert ALONE.mean(x) is x
    before = x.clone()
    ALONE.average([x, None])
    assert torch.equal(x, before)


def fit_on(count: int, returns: np.ndarray = RETURNS, given: Inputs | None = None, **training: object) -> Fit:
    with on_devices(CPU, count) as ranks:
        return fit_laws(returns, TINY.with_training(**training), [4], 0, CPU, lambda _: None, given, ranks)


def curve(fit: Fit) -> np.ndarray:
    """Wasserstein estimate, penalty and likelihood of every step."""
    return np.array([record[1:4] for record in fit.records])


@pytest.mark.slow
@pytest.mark.parametrize(("count", "critic", "assets", "covariates"), [(2, "conv", 1, 1), (3, "both", 2, 0)])
def test_the_loss_curve_and_the_law_are_those_of_one_process(
    count: int, critic: str, assets: int, covariates: int
) -> None:
    pytest.importorskip("lightning_fabric")
    rng = np.random.default_rng(1)
    returns = rng.standard_t(5, (400, assets)) * 0.01
    # one category of two each day, and the mark of what is known
    day = rng.integers(2, size=400)
    given = Inputs(np.stack((day, 1 - day, np.ones(400)), axis=1), (3,)) if covariates else None
    before = torch.get_num_threads(), dict(os.environ)
    one, several = (fit_on(size, returns, given, critic=critic) for size in (1, count))
    assert (torch.get_num_threads(), dict(os.environ)) == before
    assert not torch.distributed.is_initialized()
    assert len(curve(one)) == 4
    assert curve(several) == pytest.approx(curve(one), abs=1e-4)  # rounding, which Adam's first steps enlarge
    start, end, other = (
        dict(fit.laws[s].generator.named_parameters()) for fit, s in ((one, 0), (one, 4), (several, 4))
    )
    moved = max(float((end[name] - start[name]).detach().abs().max()) for name in start)
    apart = max(float((end[name] - other[name]).detach().abs().max()) for name in start)
    assert moved > 1e-3
    assert apart < 1e-4


@pytest.mark.slow
def test_spectral_normalisation_is_that_of_one_process() -> None:
    """Its state, too: every process follows the singular vectors of the same weights."""
    pytest.importorskip("lightning_fabric")
    one, two = (fit_on(size, critic="lstm", objective="spectral") for size in (1, 2))
    assert [record.penalty for record in two.records] == [None] * 4
    estimates = [[record.wasserstein for record in fit.records] for fit in (one, two)]
    assert estimates[1] == pytest.approx(estimates[0], abs=1e-4)


@pytest.mark.slow
def test_pairs_of_the_cramer_gan_are_those_within_a_process() -> None:
    pytest.importorskip("lightning_fabric")
    one, two = (fit_on(size, objective="cramer") for size in (1, 2))
    assert two.stopped is None
    assert np.isfinite(curve(two)).all()
    assert curve(two)[0, 0] != pytest.approx(curve(one)[0, 0], abs=1e-4)  # other pairs of the same windows
    assert curve(two)[0, 2] == pytest.approx(curve(one)[0, 2], abs=1e-4)


SCRIPT = """
    import sys
    from pathlib import Path
    import pandas as pd
    from tsgan import TSGAN, Config
    from tsgan.config import WarmStartConfig

    with Path("runs").open("a") as file:
        file.write("once ")
    prices = pd.read_parquet("prices.parquet")
    config = Config(warm_start=WarmStartConfig(steps=20)).with_training(steps=2)
    model = TSGAN(config=config, random_state=0, device="cpu", devices=int(sys.argv[1])).fit(prices)
    model.save("model.tsgan")
    print("fabric" if "lightning_fabric" in sys.modules else "no fabric")
"""


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_script_runs_once_without_a_guard(devices: int, prices: pd.DataFrame, tmp_path: Path) -> None:
    if devices > 1:
        pytest.importorskip("lightning_fabric")
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    prices.to_parquet(tmp_path / "prices.parquet")
    run = subprocess.run(
        [sys.executable, "script.py", str(devices)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "runs").read_text() == "once "
    assert run.stdout == ("fabric\n" if devices > 1 else "no fabric\n")
    assert "Error" not in run.stderr
    config = Config(warm_start=WarmStartConfig(steps=20)).with_training(steps=2)
    alone = TSGAN(config=config, random_state=0, device="cpu").fit(prices)
    curves = [
        np.array([record[1:4] for record in model.training_.choosing])
        for model in (TSGAN.load(tmp_path / "model.tsgan"), alone)
    ]
    assert curves[0] == pytest.approx(curves[1], abs=1e-4)


def test_a_process_that_ends_is_an_error_and_takes_all_with_it() -> None:
    pytest.importorskip("lightning_fabric")

    def fit() -> None:
        with on_devices(CPU, 2) as ranks:

            def end_the_other(record: Record | None) -> None:
                ranks.helpers[0].kill()

            fit_laws(RETURNS, TINY, [4], 0, CPU, end_the_other, None, ranks)

    with pytest.raises(TrainingError, match="a process for another device ended with -9"):
        fit()
    assert not torch.distributed.is_initialized()


def test_processes_end_with_the_block_whatever_happens() -> None:
    pytest.importorskip("lightning_fabric")
    started: list[Ranks] = []

    def interrupted() -> None:
        with on_devices(CPU, 2) as ranks:
            started.append(ranks)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [helper.returncode for helper in started[0].helpers] == [-9]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devices": 0}, "devices must be a whole number >= 1, not 0"),
        ({"devices": 2.0}, "devices must be a whole number >= 1, not 2.0"),
        ({"strategy": "fsdp"}, "strategy must be ddp, not 'fsdp'"),
        ({"devices": 3}, "batch in .training. must be a multiple of 6 for devices=3, not 64"),
    ],
)
def test_what_is_refused_before_anything_starts(options: dict[str, object], message: str, prices: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match=message):
        TSGAN(device="cpu", **options).fit(prices)  # type: ignore[arg-type]


def test_a_missing_package_is_named(prices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'tsgan\[fabric\]'"):
        TSGAN(device="cpu", devices=2).plan(prices)


@pytest.mark.cuda
def test_more_gpus_than_there_are(prices: pd.DataFrame) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    with pytest.raises(ConfigError, match=r"takes the first 2 of device='cuda'"):
        TSGAN(device="cuda:0", devices=2).plan(prices)
    count = torch.cuda.device_count()
    with pytest.raises(ConfigError, match=f"this machine has {count} CUDA devices"):
        TSGAN(device="cuda", devices=64, config=Config().with_training(batch=128)).plan(prices)
