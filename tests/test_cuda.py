"""On a GPU: the same code, and models that move between devices."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tsgan import TSGAN, Config, ConfigError
from tsgan.device import resolve_device

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.cuda
@cuda
@pytest.mark.parametrize("critic", ["conv", "lstm"])
def test_a_model_of_one_device_works_on_the_other(panel: pd.DataFrame, critic: str, tmp_path: Path) -> None:
    config = Config().with_training(steps=3, critic=critic)
    on_gpu = TSGAN(config=config, random_state=0, device="cuda").fit(panel)
    assert on_gpu.law_.device.type == "cuda"
    on_gpu.save(tmp_path / "model.tsgan")
    on_cpu = TSGAN.load(tmp_path / "model.tsgan", device="cpu")
    a, b = (m.sample(2000, length=50, random_state=0).returns for m in (on_gpu, on_cpu))
    np.testing.assert_allclose(a.std(axis=(0, 1)), b.std(axis=(0, 1)), rtol=0.1)
    assert np.array_equal(a, on_gpu.sample(2000, length=50, random_state=0).returns)


@pytest.mark.cuda
@cuda
def test_auto_takes_the_gpu() -> None:
    assert resolve_device("auto").type == "cuda"


def test_devices_that_are_not_there_get_a_sentence() -> None:
    for name in ("cuda:99", "quantum", "meta"):
        with pytest.raises(ConfigError, match="device"):
            resolve_device(name)
    assert resolve_device("cpu").type == "cpu"
