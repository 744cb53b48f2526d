"""New rows for a fitted model: paths go on from them, the law stays, and what does not continue is refused."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from typer.testing import CliRunner

from tsgan import TSGAN, DataError, DataWarning, Paths
from tsgan.cli.main import app
from tsgan.datasets import read_prices
from tsgan.diagnostics import to_columns
from tsgan.evaluation import rolling_forecasts
from tsgan.procedure import Choice, fit_all
from tsgan.progress import Progress
from tsgan.returns import log_returns
from tsgan.store import read_model, write_model

ROWS, MORE = 701, 12


@pytest.fixture
def mine(model: TSGAN) -> TSGAN:
    return copy.deepcopy(model)


def draws(model: TSGAN) -> list[Paths]:
    starts: tuple[Literal["stationary", "last"], ...] = ("stationary", "last")
    return [model.sample(20, length=30, start=start, random_state=0) for start in starts]


def assert_same(one: TSGAN, two: TSGAN) -> None:
    """Everything that is known, and every path, bit by bit."""
    assert one.describe() == two.describe()
    assert one.dates_.equals(two.dates_)
    assert np.array_equal(one.returns_, two.returns_)
    for a, b in zip(draws(one), draws(two), strict=True):
        assert np.array_equal(a.returns, b.returns)
        assert np.array_equal(a.prices, b.prices)
        assert a.dates.equals(b.dates)


def reloaded(model: TSGAN, folder: Path) -> TSGAN:
    model.save(folder / "again.tsgan")
    return TSGAN.load(folder / "again.tsgan", device="cpu")


# what an update does --------------------------------------------------------------------------------------------------


def test_paths_go_on_from_the_new_last_row(mine: TSGAN, model: TSGAN, later: pd.DataFrame) -> None:
    as_history = model.sample(20, length=30, history=later, random_state=0)
    assert mine.update(later) is mine
    paths = mine.sample(20, length=30, start="last", random_state=0)
    assert paths.dates.equals(as_history.dates)
    assert paths.start_price.tolist() == later.iloc[-1].tolist()
    np.testing.assert_allclose(paths.returns, as_history.returns, rtol=1e-4, atol=1e-6)
    assert mine.known_before(later.index[-1]) == len(later) - 1
    assert len(mine.states_) == len(later)  # stationary starts have the new dates among them
    torch.testing.assert_close(mine.states(later.iloc[-3:])[-1], mine.states_[-1])


def test_the_returns_are_those_of_the_whole_history(mine: TSGAN, later: pd.DataFrame) -> None:
    mine.update(later)
    np.testing.assert_allclose(mine.returns_, log_returns(later.to_numpy()), rtol=0, atol=1e-12)
    assert mine.dates_.tolist() == later.index.tolist()


def test_the_law_stays_the_same_bit_by_bit(mine: TSGAN, model: TSGAN, later: pd.DataFrame, tmp_path: Path) -> None:
    mine.update(later)
    for updated in (mine, reloaded(mine, tmp_path)):
        for part in ("generator", "noise"):
            before, after = (getattr(m.law_, part).state_dict() for m in (model, updated))
            assert all(torch.equal(before[name], after[name]) for name in before)
        for before, after in zip(model.law_.scaling, updated.law_.scaling, strict=True):
            assert np.array_equal(before, after)


def test_file_round_trip_is_exact(mine: TSGAN, later: pd.DataFrame, tmp_path: Path) -> None:
    mine.update(later.iloc[:-3])
    again = reloaded(mine, tmp_path)
    assert_same(mine, again)
    assert_same(mine.update(later), again.update(later))


def test_two_updates_are_one(mine: TSGAN, model: TSGAN, later: pd.DataFrame) -> None:
    once = copy.deepcopy(model).update(later)
    assert_same(mine.update(later.iloc[:-5]).update(later), once)


@pytest.mark.parametrize("first", [ROWS - 1, ROWS])
def test_new_rows_alone_are_the_whole_history(mine: TSGAN, model: TSGAN, later: pd.DataFrame, first: int) -> None:
    whole = copy.deepcopy(model).update(later)
    assert_same(mine.update(later.iloc[first:]), whole)


def test_one_row_a_day(mine: TSGAN, model: TSGAN, later: pd.DataFrame) -> None:
    for row in range(ROWS, len(later)):
        mine.update(later["GARCH"].iloc[[row]])
    assert_same(mine, copy.deepcopy(model).update(later))


def test_a_quiet_day_is_no_constant_column(mine: TSGAN, later: pd.DataFrame) -> None:
    quiet = later.iloc[ROWS - 1 : ROWS + 1].copy()
    quiet.iloc[1] = quiet.iloc[0]
    with pytest.warns(DataWarning, match="often do not move"):
        mine.update(quiet)
    assert mine.returns_[-1] == 0


@pytest.mark.parametrize("first", [0, ROWS - 1])
def test_readjusted_prices_give_the_same_returns_at_their_level(
    mine: TSGAN, model: TSGAN, later: pd.DataFrame, first: int
) -> None:
    mine.update(0.5 * later.iloc[first:])
    plain = copy.deepcopy(model).update(later)
    np.testing.assert_allclose(mine.returns_, plain.returns_, rtol=0, atol=1e-12)
    np.testing.assert_allclose(mine.last_price_, 0.5 * plain.last_price_)


def test_the_level_is_known_where_the_last_row_was_dropped(mine: TSGAN, later: pd.DataFrame) -> None:
    mine.update(0.5 * later.drop(later.index[ROWS - 1]))
    np.testing.assert_allclose(mine.returns_, log_returns(later.to_numpy()), rtol=0, atol=1e-12)


def test_rounded_prices_are_the_same_market(mine: TSGAN, later: pd.DataFrame) -> None:
    mine.update(later.round(2))
    assert len(mine.dates_) == len(later)


def test_the_columns_are_found_by_name(panel_model: TSGAN, panel: pd.DataFrame) -> None:
    tail = panel.iloc[-2:].set_axis(panel.index[-2:] + pd.tseries.offsets.BDay(2))
    mixed = tail[["COIN", "STOCK", "BOND"]].assign(OTHER=[1.0, 1.1])
    updated = copy.deepcopy(panel_model).update(mixed)
    assert updated.last_price_.tolist() == tail.iloc[-1].tolist()
    assert updated.columns_ == list(panel.columns)


def test_the_description_says_what_was_fitted_and_what_came_since(mine: TSGAN, later: pd.DataFrame) -> None:
    description = mine.update(later).describe()
    assert (description["rows"], description["fitted_rows"]) == (len(later), ROWS)
    assert description["dates"][1] == str(later.index[-1].date())
    assert description["fitted_until"] == str(later.index[ROWS - 1].date())


def test_dates_that_came_by_an_update_were_not_seen_by_the_fit(mine: TSGAN, later: pd.DataFrame) -> None:
    """Forecasts of them are a test of the law: there is no warning."""
    forecasts = rolling_forecasts(mine.update(later), later, later.index[ROWS])
    assert len(forecasts) > 0


def test_a_file_that_does_not_say_what_was_fitted_was_fitted_to_all(
    model: TSGAN, later: pd.DataFrame, tmp_path: Path
) -> None:
    model.save(tmp_path / "old.tsgan")
    tensors, document = read_model(tmp_path / "old.tsgan")
    del document["fit"]["fitted_rows"]
    write_model(tmp_path / "old.tsgan", tensors, document)
    old = TSGAN.load(tmp_path / "old.tsgan", device="cpu")
    assert_same(old, model)
    old.update(later)
    assert_same(old, reloaded(old, tmp_path))


# what is refused ------------------------------------------------------------------------------------------------------


def backwards(prices: pd.DataFrame) -> pd.DataFrame:
    """Other returns on the same dates."""
    return pd.DataFrame(prices.to_numpy()[::-1], index=prices.index, columns=prices.columns)


def with_a_hole(prices: pd.DataFrame) -> pd.DataFrame:
    holed = prices.copy()
    holed.iloc[-2] = np.nan
    return holed


REFUSED: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "nothing new": (lambda p: p.iloc[:ROWS], "end on 2017-09-07 .* up to 2017-09-07: there is nothing to update"),
    "older": (lambda p: p.iloc[:300], "end on 2016-02-24 .* up to 2017-09-07"),
    "gap": (lambda p: p.iloc[ROWS + 6 :], "go on with 2017-09-18 .* rows between are missing.* back to 2017-09-07"),
    "gap inside": (lambda p: p.drop(p.index[ROWS - 1 : ROWS + 6]), "rows between are missing"),
    "other market": (backwards, "returns of 'GARCH' on dates that both have differ, first on 2015-01-02"),
    "other column": (lambda p: p.rename(columns={"GARCH": "X"}), "no column 'GARCH'.* it has X"),
    "weekly": (lambda p: p.iloc[::-1].iloc[::5].iloc[::-1], "have the same date; give prices at the dates"),
    "hourly": (lambda p: p.set_axis(p.index + pd.Timedelta(9, "h")), "only 0 have the same date"),
    "missing": (with_a_hole, "misses 1 price"),
}  # fmt: skip


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_continue_is_refused_and_changes_nothing(
    mine: TSGAN, model: TSGAN, later: pd.DataFrame, case: str, refit: bool
) -> None:
    change, sentence = REFUSED[case]
    with pytest.raises(DataError, match=sentence):
        mine.update(change(later), refit=refit)
    assert_same(mine, model)


def test_a_refit_that_fails_changes_nothing(mine: TSGAN, model: TSGAN, later: pd.DataFrame) -> None:
    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mine.update(later, refit=True, progress=interrupt)
    assert_same(mine, model)


def test_a_few_missing_days_are_holidays(mine: TSGAN, later: pd.DataFrame) -> None:
    mine.update(later.iloc[ROWS + 4 :])
    assert mine.dates_[ROWS] == later.index[ROWS + 4]


def test_there_must_be_a_model(later: pd.DataFrame) -> None:
    with pytest.raises(NotFittedError):
        TSGAN().update(later)


# refit ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def refitted(model: TSGAN, later: pd.DataFrame) -> TSGAN:
    """A model whose first fit chose a step, fitted to all rows but the last four."""
    chosen = copy.deepcopy(model)
    chosen.fit_ = {**chosen.fit_, "steps": 1}
    return chosen.update(later.iloc[:-4], refit=True)


def test_a_refit_is_a_fit_to_all_rows_with_the_chosen_steps(refitted: TSGAN, later: pd.DataFrame) -> None:
    assert refitted.config is not None
    cpu, seen = torch.device("cpu"), list[Progress]()
    law, records, failure = fit_all(refitted.returns_, Choice(1, {}, [], []), refitted.config, 0, cpu, seen.append)
    for name, value in law.generator.state_dict().items():
        assert torch.equal(value, refitted.law_.generator.state_dict()[name]), name
    assert np.array_equal(law.scaling.deviation, refitted.law_.scaling.deviation)
    assert failure is None
    again, expected = refitted.fit_["training"]["final"], to_columns(records)
    assert {**again, "seconds": 0} == {**expected, "seconds": 0}  # which differ from run to run
    assert len(records) == 1
    assert refitted.fitted_until_ == later.index[-5]
    assert refitted.describe()["fitted_rows"] == len(later) - 4


def test_a_refit_keeps_the_verdict_and_says_so_once(
    refitted: TSGAN, model: TSGAN, later: pd.DataFrame, tmp_path: Path
) -> None:
    rest = "with the steps chosen at the first fit; the verdict is that of the first fit."
    assert refitted.verdict_ == [*model.verdict_, f"Refitted to 709 rows up to 2017-09-19 {rest}"]
    again = reloaded(refitted, tmp_path)
    assert_same(refitted, again)
    again.update(later, refit=True)
    assert again.verdict_ == [*model.verdict_, f"Refitted to 713 rows up to 2017-09-25 {rest}"]
    assert again.fit_["training"]["choosing"] == model.fit_["training"]["choosing"]


# the command ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(model: TSGAN, later: pd.DataFrame, tmp_path: Path) -> Path:
    model.save(tmp_path / "model.tsgan")
    later.to_csv(tmp_path / "prices.csv")
    return tmp_path


def tsgan(*args: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def test_command_writes_the_model_anew(folder: Path, mine: TSGAN, later: pd.DataFrame) -> None:
    model = folder / "model.tsgan"
    said = f"{MORE} rows added, 2017-09-08 to 2017-09-25; wrote {model}\n"
    assert tsgan("update", model, folder / "prices.csv") == (0, said, "")
    assert_same(TSGAN.load(model, device="cpu"), mine.update(later))
    assert {path.name for path in folder.iterdir()} == {"model.tsgan", "prices.csv"}
    code, out, err = tsgan("update", model, folder / "prices.csv")
    assert (code, out) == (2, "")
    assert "there is nothing to update" in err


def test_command_writes_elsewhere_and_overwrites_nothing(folder: Path) -> None:
    model, out = folder / "model.tsgan", folder / "new.tsgan"
    before = model.read_bytes()
    command = ("update", model, folder / "prices.csv", "--out", out)
    assert tsgan(*command, "--quiet") == (0, "", "")
    assert model.read_bytes() == before
    code, said, err = tsgan(*command)
    assert (code, said) == (2, "")
    assert err == f"error: {out} exists; replace it with --force or write elsewhere with --out\n"
    assert tsgan(*command, "--force")[0] == 0


def test_command_says_it_in_json(folder: Path) -> None:
    model = folder / "model.tsgan"
    code, out, err = tsgan("update", model, folder / "prices.csv", "--json")
    assert (code, err) == (0, "")
    result: dict[str, Any] = json.loads(out)
    description = result.pop("model")
    assert result == {
        "out": str(model), "rows_added": MORE, "dates_added": ["2017-09-08", "2017-09-25"], "refitted": False
    }  # fmt: skip
    assert json.loads(tsgan("info", model, "--json")[1]) == description
    assert re.search(r"^fitted until +2017-09-07$", tsgan("info", model)[1], re.MULTILINE)


def test_command_refits(folder: Path) -> None:
    model = folder / "model.tsgan"
    code, out, err = tsgan("update", model, folder / "prices.csv", "--refit")
    assert code == 0
    assert out == f"{MORE} rows added, 2017-09-08 to 2017-09-25; refitted to 713 rows; wrote {model}\n"
    assert "training on all rows" in err
    assert "Refitted to 713 rows" in tsgan("info", model)[1]


def test_command_looks_at_the_columns_of_the_model_only(folder: Path, later: pd.DataFrame) -> None:
    later.assign(OTHER=[np.nan, *range(1, len(later))]).to_csv(folder / "more.csv")
    assert tsgan("update", folder / "model.tsgan", folder / "more.csv", "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("absent.tsgan", "prices.csv"), "there is no model file"),
        (("model.tsgan", "absent.csv"), "absent.csv cannot be read: there is no such file"),
        (("model.tsgan", "other.csv"), "there is no column 'GARCH'. Available: X"),
        (("model.tsgan", "holes.csv"), "misses 1 price"),
    ],
)
def test_command_refuses_in_a_sentence(folder: Path, later: pd.DataFrame, args: tuple[str, str], message: str) -> None:
    later.rename(columns={"GARCH": "X"}).to_csv(folder / "other.csv")
    with_a_hole(later).to_csv(folder / "holes.csv")
    before = (folder / "model.tsgan").read_bytes()
    code, out, err = tsgan("update", *(folder / name for name in args))
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert (folder / "model.tsgan").read_bytes() == before


def test_command_drops_rows_with_missing_prices(folder: Path, later: pd.DataFrame) -> None:
    with_a_hole(later).to_csv(folder / "holes.csv")
    code, out, err = tsgan("update", folder / "model.tsgan", folder / "holes.csv", "--missing", "drop")
    assert code == 0
    assert out.startswith("11 rows added, ")
    assert "dropped 1 of 713 rows" in err


def test_a_seam_like_that_of_a_split_is_said(mine: TSGAN, later: pd.DataFrame) -> None:
    with pytest.warns(DataWarning, match=r"'GARCH' .* -4\.[56]\d\d \(times 0\.0[^)]*\); .* adjust the prices"):
        mine.update(later.iloc[ROWS:] / 100)


def test_a_bar_file_of_another_name_holds_the_one_asset(mine: TSGAN, later: pd.DataFrame, tmp_path: Path) -> None:
    bars = later.iloc[ROWS - 1 :, [0, 0, 0, 0]].set_axis(["Open", "High", "Low", "Close"], axis=1)
    bars.to_csv(tmp_path / "week.csv")
    mine.update(read_prices(tmp_path / "week.csv", columns=mine.columns_))
    assert list(mine.dates_[ROWS - 1 :]) == list(later.index[ROWS - 1 :])
