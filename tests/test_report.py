"""The HTML report: self-contained, complete, escaped, well formed, and alive on awkward data."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from tsgan.conditioning import Conditioning
from tsgan.datasets.processes import Garch, prices
from tsgan.diagnostics import Record
from tsgan.evaluation import plots
from tsgan.evaluation.conditional import Case
from tsgan.evaluation.curves import PANELS, Curves
from tsgan.evaluation.measures import acf, cross_correlation, tail_dependence
from tsgan.evaluation.page import VARIABLES
from tsgan.evaluation.report import MAX_ASSETS, is_report, render, write_report
from tsgan.events import max_drawdown
from tsgan.failures import COLLAPSE, Failure
from tsgan.history import History
from tsgan.paths import Paths

Floats = npt.NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("google-chrome", "chromium", "chromium-browser", "google-chrome-stable")
NASTY = '<b>&"x"$a$'
SECTIONS = ["verdict", "compared", "measures", "ranking", "controls", "copies", "figures", "notes"]


@dataclass(frozen=True)
class Page:
    """A stand-in for an evaluation, with its attributes and nothing behind them."""

    table: pd.DataFrame
    real: Floats
    synthetic: Floats
    real_prices: pd.DataFrame
    synthetic_prices: Floats
    assets: list[str]
    copies: dict[str, Any]
    ranking: pd.DataFrame | None
    controls: pd.DataFrame
    conditions: Sequence[Case] = ()
    training: Curves | None = None
    verdict: str = "warn"
    headline: str = "Nearly as close to the history as the history is to itself."
    reasons: list[str] = field(default_factory=lambda: ["Leverage is weaker than in the history."])
    settings: dict[str, Any] = field(
        default_factory=lambda: {
            "seed": 1234,
            "command": "tsgan evaluate prices.csv synth.csv --seed 1234 --report report.html",
            "versions": {"tsgan": "0.1.0", "numpy": "2.0"},
            "files": {"real": "prices.csv", "synthetic": "synth.csv"},
            "seconds": 12.5,
            "draws": 200,
            "notes": ["A note of this run."],
        }
    )


MEASURES = (
    ("skewness", "pass", 0.8),
    ("kurtosis", "warn", 1.9),
    ("leverage", "fail", 3.5),
    ("ACF |r|", "not computable", float("nan")),
)


def row(asset: str, measure: str, verdict: str, ratio: float) -> dict[str, Any]:
    return {
        "asset": asset, "fact": "a fact", "measure": measure, "meaning": "what it means", "unit": "1", "real": 0.25,
        "synthetic": 0.5 * ratio, "distance": 0.1 * ratio, "floor_low": 0.05, "floor_median": 0.1, "floor_high": 0.2,
        "ratio": ratio, "verdict": verdict, "words": f"{measure} in words", "baseline": "block bootstrap",
        "baseline_distance": 0.07,
    }  # fmt: skip


def page(names: Sequence[str], paths: int = 60, length: int = 252, rows: int = 1200) -> Page:
    returns = np.stack([Garch().simulate(paths, length, seed=10 + i) for i in range(len(names))], axis=-1)
    real = np.stack([Garch().simulate(1, rows, seed=i)[0] for i in range(len(names))], axis=-1)
    returns[..., 1:] += 0.5 * returns[..., :1]
    real[..., 1:] += 0.5 * real[..., :1]
    history = prices(real).set_axis(list(names), axis=1)
    levels = history.iloc[-1].to_numpy() * np.exp(returns.cumsum(axis=1))
    pairs = [(returns[k, :2, 0], real[:2, 0], 0.1 * k) for k in range(min(3, paths))]
    return Page(
        table=pd.DataFrame([row(name, *measure) for name in names for measure in MEASURES]),
        real=real,
        synthetic=returns,
        real_prices=history,
        synthetic_prices=levels,
        assets=list(names),
        copies={"share": 0.009, "expected": 0.01, "verdict": "pass", "words": "No copies.", "pairs": pairs},
        ranking=pd.DataFrame(
            {
                "rank": [1, 2],
                "name": ["GJR-GARCH", "synthetic"],
                "mean_rank": [1.4, 1.6],
                "pooled_ratio": [1.1, 1.2],
                "words": ["best", "close"],
            }
        ),
        controls=pd.DataFrame(
            {
                "control": ["shuffled in time", "normal"],
                "verdict": ["fail", "pass"],
                "worst_measure": ["ACF |r|", "kurtosis"],
                "worst_ratio": [9.0, 1.2],
                "words": ["caught", "not caught"],
            }
        ),
    )


class Reader(HTMLParser):
    """Collects the parts of a page and complains about tags that do not match."""

    VOID = frozenset({"meta", "link", "br", "img", "hr", "input", "source"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
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
        self.tags.append((tag, found))
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "xlink:href"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def charts(self) -> int:
        return sum(tag == "svg" and attributes.get("role") == "img" for tag, attributes in self.tags)


@pytest.fixture(scope="module")
def one() -> str:
    return render(page(["SP500"]))


@pytest.fixture(scope="module")
def five() -> str:
    return render(page([NASTY, "QQQ", "TLT", "GLD", "BTC"], paths=200))


def test_pages_need_nothing_else_and_are_small(one: str, five: str) -> None:
    for html in (one, five):
        reader = Reader(html)
        assert all(address.startswith("#") for address in reader.addresses)
        assert not re.search(r"https?:|@import|//[a-z]|<script|javascript:|\bon\w+=", html)
        assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", html))
        assert len(html.encode()) < 1_000_000


def test_tags_balance_identifiers_are_unique_and_references_resolve(one: str, five: str) -> None:
    for html in (one, five):
        reader = Reader(html)
        assert len(set(reader.ids)) == len(reader.ids)
        assert {address[1:] for address in reader.addresses} <= set(reader.ids)
        assert set(re.findall(r"url\(#(.*?)\)", html)) <= set(reader.ids)


def test_sections_stand_in_order(one: str) -> None:
    ids = Reader(one).ids
    assert [name for name in ids if name in SECTIONS] == SECTIONS
    without = render(replace(page(["A"], paths=4), ranking=None))
    assert [name for name in Reader(without).ids if name in SECTIONS] == [s for s in SECTIONS if s != "ranking"]


def test_the_page_says_how_to_make_it_again(one: str) -> None:
    text = Reader(one).text
    for part in (
        "tsgan evaluate prices.csv synth.csv --seed 1234 --report report.html",
        "1,201 rows, 2000-01-03 to 2004-08-09",
        "60 paths × 252 steps × 1 asset",
        "1234",
        "tsgan 0.1.0, numpy 2.0",
        "real prices.csv, synthetic synth.csv",
        "A note of this run.",
    ):
        assert part in text


def test_names_and_texts_are_escaped(five: str) -> None:
    assert "<b>" not in five
    assert NASTY in Reader(five).text
    nasty = page(["A"], paths=4)
    nasty = replace(
        nasty,
        headline=f"h {NASTY}",
        reasons=[f"r {NASTY}"],
        table=nasty.table.assign(words=f"w {NASTY}", measure=f"m {NASTY}", baseline=f"b {NASTY}"),
        settings=nasty.settings | {"command": f"c {NASTY}", NASTY: NASTY, "notes": [f"n {NASTY}"]},
        copies=nasty.copies | {"words": f"k {NASTY}"},
    )
    html = render(nasty)
    assert "<b>" not in html
    for mark in "hrwmbcnk":
        assert f"{mark} {NASTY}" in Reader(html).text


def test_failing_rows_come_first_and_worst_first_among_them() -> None:
    base = page(["A", "B"], paths=4)
    table = pd.DataFrame([row("A", "x", "fail", 3.0), *base.table.to_dict("records"), row("B", "y", "fail", 7.5)])
    text = Reader(render(replace(base, table=table))).text
    titles = [text.index(title) for title in ("that fail (4)", "to look at (2)", "not be computed (2)", "pass (2)")]
    assert titles == sorted(titles)
    assert text.index("7.50 ×") < text.index("3.50 ×") < text.index("3.00 ×") < text.index("1.90 ×")


def test_many_passing_rows_are_folded_but_there() -> None:
    base = page(["A"], paths=4)
    table = pd.DataFrame([row("A", f"measure {i}", "pass", 0.9) for i in range(30)])
    html = render(replace(base, table=table))
    folded = html[html.index("<details>") : html.index("</details>")]
    assert all(f"measure {i}<" in folded for i in range(30))


def test_what_is_not_computable_says_so(one: str) -> None:
    assert "not computable" in one
    assert not re.search(r"\bnan\b", Reader(one).text, re.IGNORECASE)
    assert "–" in Reader(one).text


def test_verdicts_are_words_not_only_colours(one: str) -> None:
    badges = re.findall(r'<span class="badge [\w-]+"><span aria-hidden="true">(.)</span> ([\w ]+)</span>', one)
    assert {("✗", "fail"), ("!", "warn"), ("✓", "pass"), ("–", "not computable")} <= set(badges)
    assert badges[0] == ("!", "warn")


def test_figures_are_named_and_tables_have_headers(one: str, five: str) -> None:
    for html, charts in ((one, 9 + 1), (five, 4 * 9 + 4 + 1)):
        reader = Reader(html)
        assert reader.charts() == charts
        for tag, attributes in reader.tags:
            if tag == "svg":
                assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
            if tag == "th":
                assert attributes.get("scope") in {"col", "row"}


def test_heat_maps_are_for_several_assets_only(one: str, five: str) -> None:
    assert "Correlation of returns, real" not in one
    assert "Tail dependence" not in one
    for title in ("Correlation of returns, real", "Correlation of returns, synthetic", "Tail dependence: losses"):
        assert title in five


def test_of_many_assets_the_worst_are_drawn_and_all_are_listed() -> None:
    names = [f"asset{i:02d}" for i in range(9)]
    base = page(names, paths=5, length=60, rows=200)
    table = base.table.copy()
    for rank, i in enumerate((7, 2, 5, 0)):
        table.loc[(table["asset"] == names[i]) & (table["measure"] == "leverage"), "ratio"] = 20.0 - rank
    html = render(replace(base, table=table))
    assert re.findall(r"<h3>(asset\d+)</h3>", html) == ["asset07", "asset02", "asset05", "asset00"]
    assert "Figures of 4 of 9 assets" in Reader(html).text
    assert all(f'<td class="name">{name}</td>' in html for name in names)
    assert MAX_ASSETS == 4


@pytest.mark.parametrize(("paths", "length", "rows"), [(1, 252, 900), (1, 2, 3), (3, 8, 300), (2, 400, 30)])
def test_few_paths_and_short_ones_are_drawn_or_excused(paths: int, length: int, rows: int) -> None:
    for names in (["A"], ["A", "B"]):
        reader = Reader(render(page(names, paths=paths, length=length, rows=rows)))
        excused = reader.text.count("Not drawn.")
        assert reader.charts() + excused == (10 if len(names) == 1 else 2 * 9 + 4 + 1)
        assert (excused > 0) == (min(length, rows) < 10 or (len(names) > 1 and rows < 50))
    if length == 8:
        assert "5 lags need at least 10 returns a path, these have 8." in reader.text
        assert "Paths are too short for 5, 20, 60 steps." in reader.text


def test_unusable_returns_are_excused_not_fatal() -> None:
    base = page(["A", "B"], paths=6, length=60, rows=200)
    holes = base.synthetic.copy()
    holes[0, 5, 0] = np.nan
    holes[1, 7, 1] = np.inf
    real = base.real.copy()
    real[3, 0] = np.nan
    assert "Not drawn." not in render(replace(base, synthetic=holes, real=real))
    nothing = np.full_like(base.synthetic, np.nan)
    text = Reader(render(replace(base, synthetic=nothing, synthetic_prices=nothing))).text
    assert "There are no finite synthetic returns to draw." in text
    assert "There are too few finite returns to compare several assets." in text
    flat = Reader(render(replace(base, synthetic=np.zeros_like(base.synthetic)))).text
    assert "All synthetic returns are equal." in flat
    assert "No synthetic path has positive prices" in Reader(render(replace(base, synthetic_prices=-holes))).text


def test_empty_tables_and_missing_settings_are_no_obstacle() -> None:
    base = page(["A"], paths=4)
    bare = replace(
        base,
        table=base.table.iloc[:0],
        controls=base.controls.iloc[:0],
        copies={},
        reasons=[],
        settings={},
        ranking=None,
    )
    text = Reader(render(bare)).text
    assert "None were run." in text
    assert "There are no windows to show" in text


def test_prices_that_start_elsewhere_are_scaled_and_say_so() -> None:
    base = page(["A"], paths=4)
    assert "are scaled" not in render(base)
    assert "are scaled" in render(replace(base, synthetic_prices=7 * base.synthetic_prices))


def test_colours_follow_the_theme(one: str) -> None:
    assert not [colour for colour in VARIABLES if colour.lower() in one[one.index("</style>") :].lower()]
    assert not re.search(r"#[0-9a-f]{6}\b", one[one.index("</style>") :])


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_enough_in_both_themes(one: str) -> None:
    style = one[one.index("<style>") : one.index("</style>")]
    light, dark = (
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", part)) for part in style.split("prefers-color-scheme")[:2]
    )
    assert light.keys() == dark.keys()
    for theme in (light, dark):
        for name in ("text", "muted", "link", "pass", "warn", "fail"):
            for ground in ("paper", "panel"):
                assert contrast(theme[name], theme[ground]) >= 4.5, (name, ground)
        for name in ("real", "synthetic", "median", "reference", "edge"):
            assert contrast(theme[name], theme["paper"]) >= 3, name
        for field_colour in ("above", "below"):
            assert contrast(theme["text"], theme[field_colour]) >= 4.5


def test_it_is_written_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    write_report(page(["A"], paths=4), target)
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert target.read_text(encoding="utf-8").endswith("</html>\n")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_only_a_report_is_recognised_as_one(tmp_path: Path) -> None:
    write_report(page(["A"], paths=4), tmp_path / "report.html")
    assert is_report(tmp_path / "report.html")
    (tmp_path / "mine.html").write_bytes(b"<!DOCTYPE html><title>my own page \xff</title>")
    assert not is_report(tmp_path / "mine.html")


def test_the_template_is_package_data() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    assert "report.html.j2" in data["tsgan.evaluation"]


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(BROWSERS)} is on the path")
    return found


def open_page(browser: str, file: Path, profile: Path) -> tuple[str, list[str]]:
    """Return the page as the browser understood it, and what it had to complain of."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--disable-extensions"]
    command = [browser, *options, f"--user-data-dir={profile}", "--dump-dom", file.as_uri()]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=120, check=False)
    if "<html" not in run.stdout:
        pytest.skip(f"{browser} does not start here: {run.stderr[-300:]}")
    return run.stdout, [line for line in run.stderr.splitlines() if "CONSOLE" in line]


def test_a_browser_has_nothing_to_complain_of(browser: str, five: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(five, encoding="utf-8")
    seen, complaints = open_page(browser, file, tmp_path / "profile")
    assert complaints == []
    assert "Nearly as close to the history" in seen
    assert Reader(seen).charts() == Reader(five).charts()


def test_complaints_of_a_browser_would_be_seen(browser: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.html"
    file.write_text("<!DOCTYPE html><svg viewBox='0 0 1 1'><path d='no path'/></svg>", encoding="utf-8")
    assert open_page(browser, file, tmp_path / "profile")[1]


# paths under conditions -----------------------------------------------------------------------------------------------


def cases(name: str = "SP500", title: str = "mood loud") -> list[Case]:
    """One condition that needed nothing, one that was reached by splitting, one that cannot be met."""
    dates = pd.bdate_range("2024-01-01", periods=30)
    returns = Garch().simulate(50, 30, seed=3)[..., None]
    rare = Conditioning("splitting", 12.5, 0.0125, (0.01, 0.02))
    free, reached = (Paths(returns, np.array([100.0]), dates, [name], how) for how in (None, rare))
    return [
        Case("From today, 2023-12-29", "--start last", 0, {"start": "last"}, None, free, 0.16),
        Case("Stressed regime", "--given regime=stressed", 1, {}, (0.271, None), reached, 0.31),
        Case(title, f"--given '{title}'", 2, {}, None, reason=f"there is no {title}"),
    ]


def test_a_model_adds_a_section_and_its_absence_leaves_none(one: str) -> None:
    assert "Under conditions" not in one
    html = render(replace(page(["SP500"], paths=4), conditions=cases()))
    reader = Reader(html)
    assert reader.ids.index("figures") < reader.ids.index("conditions") < reader.ids.index("notes")
    assert "#conditions" in reader.addresses
    assert reader.charts() == 9 + 1 + 2
    assert "same vertical axis: price of SP500." in reader.text
    for said in (
        "Realised volatility 16 % a year.",
        "above 27.1 %",
        "splitting",
        "12.5",
        "1.25 %",
        "--given regime=str",
    ):
        assert said in reader.text
    assert reader.text.count("there is no mood loud") == 2  # in place of the chart, and of the numbers
    assert not re.search(r"\bnan\b|None", reader.text)
    body = html[html.index("</style>") :]
    assert not re.search(r"#[0-9a-f]{6}\b", body)


def test_the_training_of_a_model_is_a_section(one: str) -> None:
    assert "Critics' slope" not in one
    records = [
        Record(step, 0.1 * step, 10.0**-step, -1.4, 1.0 * step, critic_gradient=5.0, training=0.1 * step)
        for step in range(1, 6)
    ]
    failure = Failure(COLLAPSE, 3, 5, "paths < real ones")
    trained = Curves(History(records, records[:2], failure), 2, {0: 1.0, 2: 0.9, 5: 0.95})
    html = render(replace(page(["SP500"], paths=4), training=trained))
    reader = Reader(html)
    assert reader.ids.index("figures") < reader.ids.index("training") < reader.ids.index("notes")
    assert "#training" in reader.addresses
    assert reader.charts() == 9 + 1 + len(PANELS)
    assert "The training stopped at step 5, mode collapse since step 3: paths < real ones; lower" in reader.text
    assert "2 steps chosen" in reader.text
    assert "mathdefault" not in html
    assert not re.search(r"\bnan\b|None", reader.text)


def test_names_of_assets_and_conditions_are_escaped() -> None:
    html = render(replace(page(["<b>X</b>"], paths=4), conditions=cases("<b>X</b>", f"{NASTY} loud")))
    assert "<b>" not in html
    text = Reader(html).text
    assert "price of <b>X</b>." in text
    assert f"there is no {NASTY} loud" in text


# panels ---------------------------------------------------------------------------------------------------------------


def axes() -> Any:
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_max_drawdown_of_a_known_path() -> None:
    r = np.log([[1.1, 0.5, 1.5, 0.9], [1.1, 1.1, 1.1, 1.1]])
    assert max_drawdown(r) == pytest.approx([0.5, 0.0])


def test_memory_and_leverage_are_the_correlations() -> None:
    x, y = (Garch().simulate(n, 300, seed=n)[..., None] for n in (1, 20))
    memory, lever = axes(), axes()
    plots.draw_memory(memory, x, y, np.square, 30)
    plots.draw_leverage(lever, x, y, 30)
    for panel, expected in ((memory, acf(np.square(y), 30)), (lever, cross_correlation(y, np.square(y), 30))):
        line = next(line for line in panel.get_lines() if line.get_label() == "synthetic, mean over paths")
        assert line.get_ydata() == pytest.approx(expected.mean(axis=(0, 2)))


def test_kurtosis_falls_to_that_of_a_normal_law_under_aggregation_of_independent_returns() -> None:
    r = np.random.default_rng(0).laplace(size=(200, 500, 1))
    horizons, real, ours = plots.draw_kurtosis(axes(), r, r[:50])
    assert horizons == [1, 5, 20, 60]
    assert real[0] == pytest.approx(1 + np.log(10), rel=0.01)  # of Laplace's law
    assert ours[0] == pytest.approx(1 + np.log(10), rel=0.02)
    assert (np.diff(real[:3]) < 0).all()
    assert real[2:] == pytest.approx(plots.NORMAL_KURTOSIS, abs=0.06)


def test_quantiles_thinned_keep_the_extremes() -> None:
    x, y = Garch().simulate(1, 5000, seed=1)[0], Garch().simulate(9, 500, seed=2)
    panel = axes()
    plots.draw_quantiles(panel, x, y, dots=150)
    dots = np.asarray(panel.get_lines()[1].get_xdata())
    assert 100 < len(dots) <= 150
    assert (dots[0], dots[-1]) == (100 * x.min(), 100 * x.max())


def test_tail_dependence_is_that_of_the_facts() -> None:
    x = page(["A", "B", "C"], paths=30).real
    panel = axes()
    plots.draw_tail_dependence(panel, x, page(["A", "B", "C"], paths=30).synthetic)
    levels, real = panel.get_lines()[1].get_data()
    expected = [float(tail_dependence(x[None], level / 100).mean()) for level in levels]
    assert real == pytest.approx(expected, abs=0.03)


def test_batches_are_as_long_as_the_history() -> None:
    y = np.arange(100.0 * 50 * 2).reshape(100, 50, 2)
    assert plots.batches(y, 500).shape == (10, 10, 50, 2)
    assert plots.batches(y, 20).shape == (100, 1, 20, 2)
    assert plots.batches(y, 10**6).shape == (1, 100, 50, 2)
