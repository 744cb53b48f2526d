"""Stylized facts: closed forms, other implementations, invariances, known laws, and the files of paths."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tsgan.datasets.processes import AR1, Garch, GarchPair, StudentT, prices
from tsgan.errors import DataError
from tsgan.evaluation import compare, facts, read_paths
from tsgan.evaluation.facts import CROSS_FACTS, DISTANCES, FACTS, Fact, acf, cross_correlation, pieces

FACTS_BY_NAME = {fact.name: fact for fact in (*FACTS, *CROSS_FACTS, *DISTANCES)}
PERIODS = 252.0


def value(fact: Fact, *returns: Any) -> Any:
    return fact.function(*returns, **({"periods_per_year": PERIODS} if fact.annualised else {}))


def long_table(returns: Any, start: float = 100.0, names: str = "AB") -> pd.DataFrame:
    """Prices of paths (paths, time, assets) as a long table; the start price is its first row."""
    paths, time, assets = returns.shape
    log_prices = np.concatenate((np.zeros((paths, 1, assets)), returns.cumsum(axis=1)), axis=1)
    frame = pd.DataFrame(start * np.exp(log_prices).reshape(-1, assets), columns=list(names[:assets]))
    frame.insert(0, "path", np.repeat(np.arange(paths), time + 1))
    frame.insert(1, "date", np.tile(pd.bdate_range("2024-01-01", periods=time + 1), paths))
    return frame


@pytest.fixture(scope="module")
def pair() -> Any:
    return GarchPair().simulate(20, 300, seed=1)


# correlations in time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [101, 256, 300])
def test_acf_agrees_with_statsmodels(time: int, pair: Any) -> None:
    from statsmodels.tsa.stattools import acf as reference

    x = np.abs(pair[:4, :time])
    ours = acf(x, 100)
    assert ours.shape == (4, 100, 2)
    for path in range(4):
        for asset in range(2):
            assert ours[path, :, asset] == pytest.approx(reference(x[path, :, asset], nlags=100, fft=False)[1:])


def test_cross_correlation_agrees_with_statsmodels(pair: Any) -> None:
    from statsmodels.tsa.stattools import ccf

    r = pair[0, :, 0]
    ours = cross_correlation(r[None, :, None], r[None, :, None] ** 2, 10)[0, :, 0]
    # statsmodels: ccf(x, y)[k] correlates x_{t+k} with y_t
    assert ours == pytest.approx(ccf(r**2, r, adjusted=False, nlags=11)[1:])


def test_correlations_do_not_depend_on_how_paths_are_blocked(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = acf(pair, 50)
    monkeypatch.setattr(facts, "FFT_BLOCK", 1)
    assert acf(pair, 50) == pytest.approx(whole)


def test_acf_of_a_known_series_and_of_a_constant_one() -> None:
    x = np.array([1.0, -1.0, 1.0, -1.0])[None, :, None]
    assert acf(x, 3)[0, :, 0] == pytest.approx([-0.75, 0.5, -0.25])
    assert np.isnan(acf(np.ones((1, 5, 1)), 2)).all()
    with pytest.raises(DataError, match="a correlation at lag 4 needs paths of at least 5 returns, got 4"):
        acf(x, 4)


# one return -----------------------------------------------------------------------------------------------------------


def test_moments_agree_with_scipy(pair: Any) -> None:
    assert facts.skewness(pair) == pytest.approx(np.median(stats.skew(pair, axis=1), axis=0))
    assert facts.kurtosis(pair) == pytest.approx(np.median(stats.kurtosis(pair, axis=1, fisher=False), axis=0))
    pooled = pair.reshape(-1, 2)
    assert facts.annualised_volatility(pair, 252) == pytest.approx(pooled.std(axis=0) * np.sqrt(252))


def test_tail_measures_of_an_arithmetic_series() -> None:
    r = np.arange(-50.0, 51.0).reshape(1, -1, 1)
    assert facts.value_at_risk(r, 0.05) == pytest.approx([-45.0])
    assert facts.expected_shortfall(r, 0.05) == pytest.approx([-47.5])


def test_hill_index_of_exact_pareto_quantiles_is_the_index() -> None:
    n, index = 20_000, 3.0
    losses = ((np.arange(n) + 0.5) / n) ** (-1 / index)
    assert facts.hill_index(-losses.reshape(1, -1, 1)) == pytest.approx([index], rel=0.01)
    top = np.sort(losses)[::-1][:501]
    assert facts.hill_index(-losses.reshape(1, -1, 1)) == pytest.approx([1 / np.log(top[:500] / top[500]).mean()])


def test_hill_index_needs_forty_returns_and_enough_losses() -> None:
    assert np.isnan(facts.hill_index(np.full((1, 39, 1), -1.0)))
    gains = np.linspace(0.1, 1.0, 100).reshape(1, -1, 1)
    assert np.isnan(facts.hill_index(gains))


# several assets -------------------------------------------------------------------------------------------------------


def test_cross_facts_agree_with_numpy(pair: Any) -> None:
    pooled = pair.reshape(-1, 2)
    assert facts.mean_correlation(pair) == pytest.approx(np.corrcoef(pooled.T)[0, 1])
    assert facts.mean_abs_correlation(pair) == pytest.approx(np.corrcoef(np.abs(pooled).T)[0, 1])
    low = pooled <= np.quantile(pooled, 0.05, axis=0)
    assert facts.tail_dependence(pair) == pytest.approx((low[:, 0] & low[:, 1]).sum() / low[:, 0].sum())


def test_equal_assets_depend_wholly_and_independent_ones_at_the_level() -> None:
    r = StudentT().simulate(1, 40_000, seed=2).reshape(1, -1, 2)
    same = np.repeat(r[..., :1], 3, axis=2)
    for fact in CROSS_FACTS:
        assert value(fact, same) == pytest.approx(1)
    assert facts.mean_correlation(r) == pytest.approx(0, abs=0.03)
    assert facts.tail_dependence(r) == pytest.approx(0.05, abs=0.02)


# distances ------------------------------------------------------------------------------------------------------------


def test_wasserstein_of_a_shift_is_the_shift_in_deviations(pair: Any) -> None:
    deviation = pair.reshape(-1, 2).std(axis=0)
    assert facts.wasserstein(pair, pair + 0.3 * deviation) == pytest.approx([0.3, 0.3])
    scaled = facts.wasserstein(pair, 1.5 * pair)
    assert scaled == pytest.approx(0.5 * np.abs(pair).mean(axis=(0, 1)) / deviation)


def test_acf_distance_of_shuffled_returns_sees_the_lost_clustering() -> None:
    r = Garch(alpha=0.15, beta=0.8).simulate(50, 500, seed=3)[..., None]
    replicate = Garch(alpha=0.15, beta=0.8).simulate(50, 500, seed=4)[..., None]
    shuffled = np.random.default_rng(5).permuted(r, axis=1)
    assert facts.abs_acf_rms(r, shuffled) > 3 * facts.abs_acf_rms(r, replicate)
    assert facts.wasserstein(r, shuffled) == pytest.approx([0], abs=1e-12)


# the registry ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fact", FACTS_BY_NAME.values(), ids=lambda fact: fact.name)
def test_registry_entry(fact: Fact, pair: Any) -> None:
    assert fact.unit
    assert len(fact.meaning) > 20
    assert fact.reference.count("(")  # a year
    arguments = (pair, pair[:, ::-1]) if fact in DISTANCES else (pair,)
    result = value(fact, *arguments)
    assert result.shape == (() if fact in CROSS_FACTS else (2,))
    assert np.isfinite(result).all()
    assert np.array_equal(result, value(fact, *arguments))  # deterministic
    order = np.random.default_rng(6).permutation(len(pair))
    assert value(fact, *(r[order] for r in arguments)) == pytest.approx(result)  # the order of paths does not matter
    if fact.unit not in ("per year", "log return"):
        assert value(fact, *(7 * r for r in arguments)) == pytest.approx(result)  # nor does scale
    if fact in DISTANCES:
        assert value(fact, pair, pair) == pytest.approx([0, 0], abs=1e-12)


@pytest.mark.parametrize("fact", [fact for fact in FACTS_BY_NAME.values() if fact.min_steps > 2], ids=lambda f: f.name)
def test_fewest_steps_are_stated_exactly(fact: Fact, pair: Any) -> None:
    copies = 2 if fact in DISTANCES else 1
    assert np.isfinite(value(fact, *[pair[:, : fact.min_steps]] * copies)).all()
    with pytest.raises(DataError):
        value(fact, *[pair[:, : fact.min_steps - 1]] * copies)


def test_names_are_unique() -> None:
    assert len(FACTS_BY_NAME) == len(FACTS) + len(CROSS_FACTS) + len(DISTANCES)


@pytest.mark.parametrize("fact", [fact for fact in FACTS if not fact.per_path], ids=lambda fact: fact.name)
def test_pooled_facts_do_not_depend_on_where_paths_end(fact: Fact, pair: Any) -> None:
    assert value(fact, pair.reshape(40, 150, 2)) == pytest.approx(value(fact, pair))


# known laws -----------------------------------------------------------------------------------------------------------

HEAVY = StudentT(nu=5.0, volatility=0.02)
CLUSTERED = Garch(alpha=0.1, beta=0.85, omega=5e-6)
LAWS: list[tuple[str, Any, Callable[[], float]]] = [
    ("volatility", HEAVY, lambda: 0.02 * np.sqrt(PERIODS)),
    ("VaR 5%", HEAVY, lambda: HEAVY.quantile(0.05)),
    ("VaR 1%", HEAVY, lambda: HEAVY.quantile(0.01)),
    ("ES 5%", HEAVY, lambda: HEAVY.expected_shortfall(0.05)),
    ("ES 1%", HEAVY, lambda: HEAVY.expected_shortfall(0.01)),
    ("skewness", AR1(phi=0.0), lambda: 0.0),
    ("kurtosis", AR1(phi=0.0), lambda: 3.0),
    ("ACF r", AR1(phi=0.5), lambda: 0.5),
    ("ACF |r|", HEAVY, lambda: 0.0),
    ("ACF r^2", CLUSTERED, lambda: CLUSTERED.acf_squares(20).mean()),
    ("leverage", CLUSTERED, lambda: 0.0),
]


@pytest.mark.parametrize(("name", "process", "exact"), LAWS, ids=[f"{name}, {law!r}" for name, law, _ in LAWS])
def test_facts_recover_known_laws_within_monte_carlo_error(name: str, process: Any, exact: Any) -> None:
    r = process.simulate(60, 5_000, seed=7)[..., None]
    groups = np.array([value(FACTS_BY_NAME[name], r[i : i + 3])[0] for i in range(0, 60, 3)])
    error = groups.std(ddof=1) / np.sqrt(len(groups))
    bias = 0.02 * abs(exact()) + 5e-4  # of order 1 / length: correlations tend to 0, quantiles towards the middle
    assert groups.mean() == pytest.approx(exact(), abs=4 * error + bias)


def test_leverage_is_negative_where_losses_raise_volatility_and_turns_with_the_sign() -> None:
    r = Garch(alpha=0.02, gamma=0.15, beta=0.88).simulate(50, 2_000, seed=8)[..., None]
    assert facts.leverage(r) < -0.03
    assert facts.leverage(-r) == pytest.approx(-facts.leverage(r))


def test_cross_facts_recover_the_correlation_of_a_pair() -> None:
    r = GarchPair(correlation=0.6, alpha=0.05, beta=0.85).simulate(100, 1_000, seed=9)
    assert facts.mean_correlation(r) == pytest.approx(0.6, abs=0.01)  # 4 standard errors of 100,000 returns


# pieces and compare ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("time", "length", "count"), [(10, 5, 2), (11, 5, 3), (7, 7, 1), (9, 1, 9), (5_030, 251, 21)])
def test_pieces_cover_every_return_in_order(time: int, length: int, count: int) -> None:
    r = np.arange(2 * time * 3).reshape(2, time, 3).astype(float)
    cut = pieces(r, length)
    assert cut.shape == (2 * count, length, 3)
    assert set(cut.ravel()) == set(r.ravel())
    assert np.all(np.diff(cut[..., 0], axis=1) == 3)  # consecutive within a piece
    assert np.array_equal(cut[0, 0], r[0, 0])
    assert np.array_equal(cut[-1, -1], r[-1, -1])


def test_comparing_a_series_with_itself_gives_no_difference() -> None:
    r = GarchPair().simulate(1, 400, seed=10)[0]
    table = compare(prices(r), long_table(r[None]))
    assert list(table.columns) == ["real", "synthetic", "difference"]
    assert table.index.names == ["asset", "fact"]
    assert table["difference"].to_numpy() == pytest.approx(np.zeros(len(table)), abs=1e-9)
    assert np.isfinite(table.to_numpy()).all()
    assert [asset for asset, _ in table.index] == ["A"] * 14 + ["B"] * 14 + ["all"] * 3
    assert table.loc[("A", "W1"), "real"] == 0


def test_compare_takes_the_first_return_from_the_second_row_on() -> None:
    r = Garch().simulate(3, 200, seed=11)[..., None]
    table = compare(prices(Garch().simulate(1, 500, seed=12)[0]), long_table(r, start=5.0))
    assert table.loc[("A", "VaR 5%"), "synthetic"] == pytest.approx(np.quantile(r, 0.05))
    assert "all" not in table.index.get_level_values("asset")


def test_compare_cuts_both_sides_to_the_shorter_length() -> None:
    short, long = Garch().simulate(4, 150, seed=13)[..., None], Garch().simulate(1, 900, seed=14)[0][:, None]
    table = compare(prices(long), long_table(short))
    assert table.loc[("A", "kurtosis"), "real"] == pytest.approx(facts.kurtosis(pieces(long[None], 150))[0])
    assert table.loc[("A", "VaR 1%"), "real"] == pytest.approx(np.quantile(long, 0.01))
    turned = compare(prices(short[0]), long_table(long[None]))
    assert turned.loc[("A", "ACF |r|"), "synthetic"] == pytest.approx(facts.mean_abs_acf(pieces(long[None], 150))[0])


def test_compare_does_not_depend_on_the_scale_of_prices_or_the_order_of_rows() -> None:
    real, synthetic = GarchPair().simulate(1, 300, seed=15)[0], GarchPair().simulate(5, 120, seed=16)
    expected = compare(prices(real), long_table(synthetic))
    shuffled = long_table(synthetic, start=3.0).sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(compare(prices(real, start=0.01), shuffled), expected)


def test_the_year_is_inferred_from_the_dates_or_given() -> None:
    r = Garch().simulate(1, 400, seed=17)[0]
    daily, paths = prices(r), long_table(r[None, :, None])
    volatility = compare(daily, paths).loc[("A", "volatility"), "real"]
    assert volatility == pytest.approx(r.std() * np.sqrt(252))
    every_day = daily.set_index(pd.date_range("2020-01-01", periods=len(daily)))
    seven_days, monthly = (
        table.loc[("A", "volatility"), "real"] for table in (compare(every_day, paths), compare(daily, paths, 12))
    )
    assert seven_days == pytest.approx(r.std() * np.sqrt(365))
    assert monthly == pytest.approx(r.std() * np.sqrt(12))


def test_what_short_paths_do_not_allow_is_missing_in_the_table() -> None:
    r = Garch().simulate(3, 50, seed=18)[..., None]
    table = compare(prices(Garch().simulate(1, 500, seed=19)[0]), long_table(r)).loc["A"]
    missing = set(table.index[table["difference"].isna()])
    assert missing == {"ACF |r|", "ACF |r| RMS"}
    shortest = compare(prices(r[0]), long_table(r[:1, :1])).loc["A"]
    assert set(shortest.index[shortest["difference"].notna()]) == {
        *("volatility", "VaR 5%", "VaR 1%", "ES 5%", "ES 1%", "W1"),
    }


def test_real_prices_may_hold_more_assets_in_another_order() -> None:
    real, synthetic = GarchPair().simulate(1, 300, seed=20)[0], GarchPair().simulate(5, 120, seed=21)
    table = compare(prices(real)[["B", "A"]], long_table(synthetic))
    assert table.equals(compare(prices(real), long_table(synthetic)))
    assert compare(prices(real), long_table(synthetic[..., :1])).equals(
        compare(prices(real)[["A"]], long_table(synthetic[..., :1]))
    )


def test_compare_says_what_is_wrong() -> None:
    real, paths = prices(Garch().simulate(1, 300, seed=22)[0]), long_table(Garch().simulate(2, 50, seed=23)[..., None])
    with pytest.raises(DataError, match="the asset 'A', which the real prices do not have; theirs are 'X'"):
        compare(real.set_axis(["X"], axis=1), paths)
    with pytest.raises(DataError, match="the table has 1 row"):
        compare(real.iloc[:1], paths)
    with pytest.raises(DataError, match=r"column 'A' is -.* at 2000-01-0.*are these returns"):
        compare(real - real.iloc[3] - 1, paths)
    with pytest.raises(DataError, match="must hold dates"):
        compare(real.reset_index(drop=True), paths)


# files of paths -------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(pair: Any) -> pd.DataFrame:
    return long_table(pair[:3, :40])


def write(frame: pd.DataFrame, file: Path) -> Path:
    if file.suffix == ".csv":
        frame.to_csv(file, index=False)
    elif file.suffix == ".parquet":
        frame.to_parquet(file, index=False)
    else:
        dates = frame["date"][frame["path"] == frame["path"].iloc[0]].to_numpy()
        columns = np.array(list(frame.columns[2:]))
        values = frame[frame.columns[2:]].to_numpy().reshape(-1, len(dates), len(columns))
        np.savez(file, prices=values, dates=dates, columns=columns)
    return file


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_paths_are_read_as_they_were_written(suffix: str, table: pd.DataFrame, tmp_path: Path) -> None:
    frame = read_paths(write(table, tmp_path / f"synth{suffix}"))
    assert list(frame.columns) == ["path", "date", "A", "B"]
    assert frame["date"].dt.tz is None
    pd.testing.assert_frame_equal(frame, table, check_dtype=False, check_exact=suffix != ".csv")


def test_dates_without_a_time_and_times_of_day_are_read(table: pd.DataFrame, tmp_path: Path) -> None:
    days = read_paths(write(table.assign(date=table["date"].dt.date), tmp_path / "days.parquet"))
    assert (days["date"] == table["date"]).all()
    hours = table.assign(date=table["date"] + pd.to_timedelta(np.arange(len(table)) % 24, unit="h"))
    assert (read_paths(write(hours, tmp_path / "hours.csv"))["date"] == hours["date"]).all()


def change(table: pd.DataFrame, row: int, column: str, new: Any) -> pd.DataFrame:
    table = table.astype({column: object}) if isinstance(new, str) else table.copy()
    table.loc[row, column] = new
    return table


BAD: list[tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    (lambda t: t.drop(columns="path"), r"expected the columns path, date and one for each asset, found date, A, B"),
    (lambda t: t[["path", "date"]], r"found path, date$"),
    (lambda t: t.assign(path=0.5), r"the column path must hold whole numbers, it holds float64"),
    (lambda t: change(t, 3, "date", "yesterday"), r"the column date must hold dates such as 2020-01-31"),
    (lambda t: change(t, 3, "date", pd.NaT), r"the date of row 4 is missing"),
    (lambda t: t.iloc[:0], r"there are no paths|must hold"),
    (lambda t: change(t, 4, "date", t["date"][3]), r"path 0 has more than one row on 2024-01-04"),
    (lambda t: t.iloc[:42], r"path 1 has 1 row; a path needs at least 2"),
    (lambda t: t.iloc[:-1], r"must have one length, but path 2 has 40 rows and path 0 has 41"),
    (lambda t: change(t, 50, "B", np.nan), r"column 'B' is nan at path 1, 2024-01-12 00:00:00 \(1 such value\)"),
    (lambda t: change(t, 50, "B", np.inf), r"column 'B' is inf at path 1"),
    (lambda t: change(t, 50, "A", 0.0), r"column 'A' is 0 at path 1"),
    (lambda t: t.assign(A=t["A"] - 100), r"are these returns rather than prices\?"),
    (lambda t: change(t, 50, "A", "much"), r"column 'A' must hold numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "sentence"), BAD, ids=[sentence for _, sentence in BAD])
def test_files_that_cannot_be_used_are_refused_with_a_sentence(
    spoil: Any, sentence: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=sentence) as raised:
        read_paths(write(spoil(table), tmp_path / "synth.csv"))
    assert "synth.csv" in str(raised.value)


def test_files_of_another_kind_are_refused_with_a_sentence(table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"synth\.xlsx: a file of paths ends in \.csv, \.parquet, \.npz"):
        read_paths(tmp_path / "synth.xlsx")
    for suffix in (".csv", ".parquet", ".npz"):
        with pytest.raises(DataError, match="there is no such file"):
            read_paths(tmp_path / f"none{suffix}")
        for content in (b"", b"no file of paths\n\x00\xff"):
            broken = tmp_path / f"broken{suffix}"
            broken.write_bytes(content)
            with pytest.raises(DataError, match=f"broken{suffix}"):
                read_paths(broken)
        whole = write(table, tmp_path / f"whole{suffix}").read_bytes()
        if suffix != ".csv":
            (tmp_path / f"half{suffix}").write_bytes(whole[: len(whole) // 2])
            with pytest.raises(DataError, match=f"half{suffix} cannot be read"):
                read_paths(tmp_path / f"half{suffix}")


def test_arrays_of_another_layout_are_refused_with_a_sentence(tmp_path: Path) -> None:
    file, dates = tmp_path / "synth.npz", np.arange("2024-01-01", "2024-01-04", dtype="datetime64[D]")
    np.savez(file, returns=np.zeros((2, 3, 1)), dates=dates, columns=np.array(["A"]))
    with pytest.raises(DataError, match="there is no array prices; it holds returns, dates, columns"):
        read_paths(file)
    np.savez(file, prices=np.ones((2, 4, 1)), dates=dates, columns=np.array(["A"]))
    with pytest.raises(DataError, match=r"got prices \(2, 4, 1\), dates \(3,\), columns \(1,\)"):
        read_paths(file)
    np.savez(file, prices=np.ones((2, 3, 1)), dates=dates, columns=np.array(["A"], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):  # nothing in a file is ever executed
        read_paths(file)


def test_importing_the_evaluation_is_light() -> None:
    heavy = ["torch", "arch", "statsmodels", "matplotlib", "scipy", "sklearn"]
    code = f"import json, sys, tsgan.evaluation; print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []
