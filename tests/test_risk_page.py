"""The risk page: self-contained, complete and small, also as a section of a report; its figures hold the numbers."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from tsgan import DataError
from tsgan.datasets.processes import Garch, StudentT
from tsgan.evaluation import plots
from tsgan.evaluation.page import VARIABLES
from tsgan.evaluation.report import MARK
from tsgan.evaluation.risk.report import check_place, is_backtest, render, write_backtest
from tsgan.evaluation.risk.rolling_backtest import RollingBacktest, _Case, _comparisons, _headline, _tests, _verdict

Floats = npt.NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("google-chrome", "chromium", "chromium-browser", "google-chrome-stable")
NASTY = '<b>&"x"$a$'
LEVELS = (0.05, 0.025, 0.01)
LAW = Garch(alpha=0.05, beta=0.88, gamma=0.1, nu=6.0)


def result(
    names: Sequence[str] = ("SP500",),
    dates: int = 500,
    levels: Sequence[float] = LEVELS,
    horizon: int = 1,
    scale: float = 1.0,
) -> RollingBacktest:
    """Backtest the true figures times a scale, without fitting anything."""
    index = pd.bdate_range("2000-01-03", periods=dates)
    realised, forecasts = {}, dict[str, dict[Any, Floats]](tsgan={}, GJR={}, historical={})
    for i, name in enumerate(names):
        returns = LAW.simulate(1, dates, seed=i)[0]
        realised[name] = returns
        for level in levels:
            volatility, unit = LAW.one_step_volatility(returns)[:-1], StudentT(LAW.nu, volatility=1)
            for figure, value in (("VaR", unit.quantile(level)), ("ES", unit.expected_shortfall(level))):
                key = (name, figure, level) if len(names) > 1 else (figure, level)
                forecasts["tsgan"][key] = scale * volatility * value
                forecasts["GJR"][key] = 1.1 * volatility * value
                forecasts["historical"][key] = np.full(dates, 1.2 * returns.std() * value)
    frames = {name: pd.DataFrame(columns, index=index) for name, columns in forecasts.items()}
    for frame in frames.values():
        frame.attrs["failed_refits"] = []
    came = pd.DataFrame(realised, index=index)
    cases = [_Case(name, level, horizon, came, frames) for name in names for level in levels]
    table, tests = pd.DataFrame([row for case in cases for row in case.methods()]), _tests(cases, 0, lambda _: None)
    return RollingBacktest(
        table, tests, _verdict(tests, False), _headline(tests, dates), _comparisons(table), came, frames,
        {
            "start": "2000-01-03", "end": "2001-11-30", "horizon": horizon, "levels": list(levels), "refit_every": 250,
            "train_window": 2500, "weights": None, "seed": 1234, "seconds": 1.5, "files": {"prices": "prices.csv"},
            "command": "tsgan backtest prices.csv --seed 1234",
        },
    )  # fmt: skip


class Reader(HTMLParser):
    """Collects the parts of a page and complains about tags that do not match."""

    VOID = frozenset({"meta", "link", "br", "img", "hr", "input", "source"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.charts = 0
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert len(found) == len(attrs), f"an attribute twice in <{tag}>"
        self.charts += tag == "svg" and found.get("role") == "img"
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "xlink:href"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


@pytest.fixture(scope="module")
def one() -> str:
    return render(result())


@pytest.fixture(scope="module")
def six() -> str:
    return render(result([NASTY, "QQQ", "TLT", "GLD", "BTC", "EUR"], dates=300))


# the page -------------------------------------------------------------------------------------------------------------


def test_pages_need_nothing_else(one: str, six: str) -> None:
    for html in (one, six):
        reader = Reader(html)
        assert not re.search(r"https?:|@import|//[a-z]|<script|javascript:|\bon\w+=", html)
        assert len(set(reader.ids)) == len(reader.ids)
        assert {address.removeprefix("#") for address in reader.addresses} <= set(reader.ids)
        assert set(re.findall(r"url\(#(.*?)\)", html)) <= set(reader.ids)
        assert html.startswith("<!DOCTYPE html>")
        assert html.endswith("</html>\n")


def test_four_assets_of_5000_dates_stay_below_one_megabyte() -> None:
    html = render(result(["A", "B", "C", "D"], dates=5_000))
    assert Reader(html).charts == 4 * 3
    assert len(html.encode()) < 1_000_000


def test_the_page_says_what_was_forecast_and_what_was_found(one: str) -> None:
    text, shown = Reader(one).text, result()
    assert shown.headline in text
    for sentence in (*shown.reasons, *shown.tests["words"]):
        assert sentence in text
    for part in ("500, 2000-01-03 to 2001-11-30", "every 250 dates", "2,500 returns", "1234", "5 %, 2.5 %, 1 %"):
        assert part in text
    assert "tsgan backtest prices.csv --seed 1234" in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    for row in shown.table.to_dict("records"):
        assert f"{row['fz0']:.4f}".replace("-", "−") in text


def test_the_verdict_is_a_word_and_stands_first(one: str) -> None:
    badges = re.findall(r'<span class="badge [\w-]+"><span aria-hidden="true">(.)</span> ([\w ]+)</span>', one)
    assert badges[0][1] == result().verdict
    wrong = result(scale=0.6)
    assert wrong.verdict == "fail"
    html = render(wrong)
    assert html.index("✗") < html.index("<table")
    found = Reader(html).text.partition("What the tests found")[2]
    rejecting = wrong.tests[wrong.tests["verdict"].isin(["fail", "warn"])].sort_values("p_value", kind="stable")
    places = [found.index(words) for words in rejecting["words"]]
    assert places == sorted(places)
    assert places[-1] < found.index("that do not reject")


def test_of_many_assets_four_are_drawn_and_all_are_listed(six: str) -> None:
    reader = Reader(six)
    assert reader.charts == 4 * 3
    assert "2 more assets" in reader.text
    for name in (NASTY, "QQQ", "TLT", "GLD", "BTC", "EUR"):
        assert name in reader.text
    assert "<b>" not in six


def test_failed_refits_are_shown() -> None:
    shown = result()
    html = render(replace(shown, table=shown.table.assign(failed_refits=[7, *[0] * (len(shown.table) - 1)])))
    assert '<td class="n">7</td></tr>' in html


def test_texts_are_escaped() -> None:
    shown = result()
    nasty = replace(
        shown,
        headline=f"h {NASTY}",
        reasons=[f"r {NASTY}"],
        tests=shown.tests.assign(words=f"w {NASTY}"),
        settings=shown.settings | {"command": f"c {NASTY}", NASTY: NASTY},
    )
    html = render(nasty)
    assert "<b>" not in html
    for mark in "hrwc":
        assert f"{mark} {NASTY}" in Reader(html).text


def test_overlapping_forecasts_are_explained() -> None:
    text = Reader(render(result(horizon=5))).text
    assert "Forecasts of 5 steps made at every step overlap" in text
    assert "Grey:" not in text
    assert "Grey:" in Reader(render(result())).text


@pytest.mark.parametrize("dates", [8, 30])
def test_few_dates_are_drawn(dates: int) -> None:
    reader = Reader(render(result(dates=dates, levels=(0.05,))))
    assert reader.charts == 3
    assert "–" in reader.text


def test_colours_follow_the_theme(one: str) -> None:
    body = one[one.index("</style>") :].lower()
    assert not [colour for colour in VARIABLES if colour.lower() in body]
    assert not re.search(r"#[0-9a-f]{6}\b", body)


def test_templates_are_package_data() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    assert set(data["tsgan.evaluation"]) == {file.name for file in (ROOT / "evaluation").glob("*.j2")}


# in a report ----------------------------------------------------------------------------------------------------------


def report(path: Path, places: str = "<nav><!-- risk link --><!-- end of risk link --></nav>") -> None:
    """Write what stands around the places in the report of an evaluation."""
    path.write_text(
        f'<!DOCTYPE html>\n<html lang="en"><head>{MARK}</head><body>{places}'
        '<main><!-- risk --><!-- end of risk --><section id="notes"></section></main></body></html>\n',
        encoding="utf-8",
    )


def test_the_template_of_the_report_has_the_places() -> None:
    template = (ROOT / "evaluation" / "report.html.j2").read_text(encoding="utf-8")
    for name in ("risk link", "risk"):
        assert template.count(f"<!-- {name} --><!-- end of {name} -->") == 1


def test_a_section_is_put_into_a_report_once_and_replaced(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    report(target)
    for scale in (1.0, 0.6):
        shown = result(scale=scale)
        write_backtest(shown, target)
        html = target.read_text(encoding="utf-8")
        assert html.count('<section id="risk"') == html.count('href="#risk"') == 1
        assert f'<a href="#risk">VaR and ES: {shown.verdict}</a>' in html
        assert shown.headline in Reader(html).text
        assert html.index('id="risk"') < html.index('id="notes"')
        check_place(target)
    first, second = result().headline, result(scale=0.6).headline
    assert (first in html, second in html) == (False, True)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_report_without_a_place_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    report(target, places="")
    before = target.read_text(encoding="utf-8")
    with pytest.raises(DataError, match="without a place for the risk section"):
        check_place(target)
    with pytest.raises(DataError, match="without a place for the risk section"):
        write_backtest(result(), target)
    assert target.read_text(encoding="utf-8") == before


def test_only_its_own_page_is_recognised(tmp_path: Path) -> None:
    target = tmp_path / "backtest.html"
    write_backtest(result(), target)
    assert is_backtest(target)
    target.write_bytes(b"<!DOCTYPE html><title>my own page \xff</title>")
    assert not is_backtest(target)
    report(target)
    assert not is_backtest(target)


# a browser ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(BROWSERS)} is on the path")
    return found


DARK = "--blink-settings=preferredColorScheme=0"


@pytest.mark.parametrize("theme", [[], [DARK]], ids=["light", "dark"])
def test_a_browser_has_nothing_to_complain_of(browser: str, theme: list[str], one: str, tmp_path: Path) -> None:
    file, picture = tmp_path / "backtest.html", tmp_path / "page.png"
    file.write_text(one, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--disable-extensions", *theme]
    profile = f"--user-data-dir={tmp_path / 'profile'}"

    def open_page(what: str) -> subprocess.CompletedProcess[str]:
        command = [browser, *options, profile, what, file.as_uri()]
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=120, check=False
        )

    run = open_page("--dump-dom")
    if "<html" not in run.stdout:
        pytest.skip(f"{browser} does not start here: {run.stderr[-300:]}")
    assert [line for line in run.stderr.splitlines() if "CONSOLE" in line] == []
    assert Reader(run.stdout).charts == Reader(one).charts == 3
    open_page(f"--screenshot={picture}")
    from matplotlib.image import imread

    corner = imread(picture)[-2, 2, :3].mean()  # the paper
    assert corner < 0.3 if theme else corner > 0.9


# figures --------------------------------------------------------------------------------------------------------------


def axes() -> Any:
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_no_breach_is_left_out_however_many_dates_there_are() -> None:
    shown = result(dates=5_000, scale=0.7)
    panel = axes()
    for level in LEVELS:
        panel.clear()
        count = plots.draw_risk_bands(panel, shown, "SP500", level)
        dots = next(line for line in panel.get_lines() if str(line.get_label()).startswith("breach"))
        var = shown.of("tsgan", "SP500")["VaR", level].to_numpy()
        returns = shown.realised["SP500"].to_numpy()
        assert count == len(dots.get_xdata()) == (returns <= var).sum()
        assert np.asarray(dots.get_ydata()) == pytest.approx(100 * returns[returns <= var])


def test_thinning_keeps_the_extremes() -> None:
    values = np.random.default_rng(0).standard_normal(5_000)
    lows, highs = plots._extremes(values)
    assert len(lows) == len(highs) == plots.SLOTS
    assert values[lows].min() == values.min()
    assert values[highs].max() == values.max()
    outline = plots._outline(values)
    assert (outline[0], outline[-1]) == (0, 4_999)
    assert len(outline) <= 2 * plots.SLOTS + 2
    few = np.arange(10.0)
    assert plots._outline(few).tolist() == list(range(10))


def test_breaches_are_counted_against_their_expectation() -> None:
    shown = result()
    panel = axes()
    plots.draw_breaches(panel, shown, "SP500")
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in panel.get_lines()}
    for level in LEVELS:
        table = shown.table[(shown.table["level"] == level) & (shown.table["method"] == "tsgan")]
        surplus = int(table["breaches"].iloc[0]) - 500 * level
        assert lines[f"{100 * level:g} %"][-1] == pytest.approx(surplus / np.sqrt(500 * level * (1 - level)))
    band = panel.collections[0].get_paths()[0].vertices[:, 1]
    assert np.abs(band).max() == pytest.approx(stats.norm.ppf(0.95), abs=1e-3)


def test_losses_are_saved_against_the_best_classical_method() -> None:
    shown = result()
    panel = axes()
    best = plots.draw_loss_advantage(panel, shown, "SP500")
    for level in LEVELS:
        rows = shown.table[shown.table["level"] == level].set_index("method")["fz0"]
        assert best[level] == rows.drop("tsgan").idxmin()
        (line,) = [line for line in panel.get_lines() if line.get_label() == f"{100 * level:g} %"]
        assert line.get_ydata()[-1] == pytest.approx(500 * (rows[best[level]] - rows["tsgan"]))


def test_without_a_classical_method_there_is_no_comparison() -> None:
    shown = result()
    alone = replace(
        shown,
        forecasts={"tsgan": shown.forecasts["tsgan"]},
        table=shown.table[shown.table["method"] == "tsgan"],
    )
    reader = Reader(render(alone))
    assert reader.charts == 2
    assert "There is no loss to compare." in reader.text


def test_the_picture_is_saved_without_a_display(tmp_path: Path) -> None:
    figure = plots.risk_bands(result(["A", "B"]), "B", 0.05)
    assert len(figure.axes) == 3
    assert "B: VaR and ES of 1 step" in figure.get_suptitle()
    figure.savefig(tmp_path / "risk.png")
    assert (tmp_path / "risk.png").read_bytes().startswith(b"\x89PNG")
    for asset, level in (("C", 0.05), ("A", 0.1)):
        with pytest.raises(DataError, match=f"no forecasts of '{asset}' at the level {level:g}; it has 'A', 'B' at"):
            plots.risk_bands(result(["A", "B"]), asset, level)
