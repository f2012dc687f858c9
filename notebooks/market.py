# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The market under every figure 每个数字背后的市场
#
# A market is measured on a history, its factor follows one of several laws, and a crash is the law *given that it happens*.
# This notebook calibrates the S&P 500 of 1999 to 2018, draws all eight laws, conditions those that can be on falls of 20, 40 and 60%,
# says how many candidates each conditioned path rests on, and ends with a calibration for the summer of 2015. Formula numbers (M-…) are
# those of `docs/method.md`.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import stresslab as sl
from stresslab.faults import InputError
from stresslab.market import shipped_index

FOLDER = Path(tempfile.mkdtemp())
HERE = Path(__file__).parent if "__file__" in globals() else Path.cwd()
ROOT = HERE if (HERE / "pyproject.toml").is_file() else HERE.parent
DAYS, PATHS = 60, 120
BLUE, RED, GREY = "#2f6ea5", "#c2452d", "#8a8f98"

# %% [markdown]
# ## A calibrated market 校准
#
# A history is a folder of daily tables; here it has one index. `calibrate` fits GARCH, jumps, states and Heston beside the plain
# volatility, each number with its standard error, and writes `market.toml`, the factor's returns for the bootstrap, and a page.

# %%
history = FOLDER / "us"
history.mkdir()
closes = shipped_index()
pd.DataFrame({"date": closes.index.strftime("%Y-%m-%d"), "index_id": "SP500", "close": closes.to_numpy()}).to_csv(
    history / "index.csv", index=False)
made = sl.calibrate(history, out=FOLDER / "market", title="S&P 500, 1999 to 2018")
market = sl.read_market(FOLDER / "market" / "market.toml")
print((FOLDER / "market" / "market.toml").read_text(encoding="utf-8")[:1500])

# %% [markdown]
# ## Paths of every law 各模型的路径
#
# The same book meets each law. Only the factor is looked at here: `days` of a run holds it for every path and day, in parts per million of
# its start. All scenarios meet the same weather (M-5), so the first six panels differ by their laws alone (M-8, M-55 to M-59). The last
# two have no law of their own: a replay goes the way of Shanghai in 2015 through its four public points and is free after them (M-62),
# and without noise the factor moves only as its crash says, here straight down to −40% and flat from there (M-10).

# %%
book = sl.demo_book(12)
LAWS = ("gbm", "jump", "heston", "garch", "regime", "bootstrap")
names = {
    "gbm": "Gaussian", "jump": "jumps (Merton)", "heston": "stochastic variance (Heston)", "garch": "GJR-GARCH, Student-t",
    "regime": "calm and wild states", "bootstrap": "days of history, in blocks", "replay": "the course of 2015",
    "deterministic": "no noise",
}


def scenario(base: str, model: str, name: str | None = None, **changes: object) -> sl.Scenario:
    """Return a shipped scenario under another law of the factor."""
    found = sl.read_scenario(base)
    block = found.market.model_copy(update={"model": model, **changes})
    return found.model_copy(update={"id": name or f"{base}-{model}", "days": DAYS, "market": block})


def factor(run: sl.Run, name: str) -> np.ndarray:
    """Return the factor of one scenario, paths × days 0..T, in percent of its start."""
    rows = run.table("days")
    rows = rows[(rows["scenario"] == name) & (rows["platform_id"] == rows["platform_id"].iloc[0])]
    levels = rows.pivot(index="path", columns="day", values="factor_ppm").to_numpy() / 10_000
    return np.hstack([np.full((len(levels), 1), 100.0), levels])


def fan(panel: plt.Axes, levels: np.ndarray, color: str, title: str) -> None:
    """Draw forty paths, and the band that holds 90% of all."""
    panel.plot(levels[:40].T, color=color, alpha=0.3, linewidth=0.8)
    panel.fill_between(range(levels.shape[1]), *np.quantile(levels, [0.05, 0.95], axis=0), color=color, alpha=0.2, linewidth=0)
    panel.set_title(title, fontsize=9)


straight = sl.read_scenario("crash-40").market.crash.model_copy(update={"shape": "ramp", "after": "flat"})
free = sl.run(book, [
    *(scenario("baseline", m, m) for m in LAWS),
    scenario("replay-2015", "gbm", "replay"), scenario("crash-40", "deterministic", "deterministic", crash=straight),
], paths=PATHS, seed=1, out=FOLDER / "free", market=market)

# %%
levels = {m: factor(free, m) for m in names}
figure, panels = plt.subplots(2, 4, figsize=(14, 6.5), sharex=True, sharey=True)
for panel, model in zip(panels.flat, names, strict=True):
    fan(panel, levels[model], BLUE if model in LAWS else GREY, f"{model}: {names[model]}")
figure.supxlabel("trading day")
figure.supylabel("factor, % of its start")
figure.tight_layout()
points = np.array(sl.read_scenario("replay-2015").market.path.level_pct)
assert np.allclose(levels["replay"][:, : points.size], points, atol=1e-4)  # every path, until the points end
assert (levels["deterministic"] == levels["deterministic"][0]).all()
assert levels["deterministic"][0, 20] == levels["deterministic"][0, -1] == 60.0

# %%
moves = {m: np.diff(np.log(levels[m]), axis=1) for m in LAWS}
pd.DataFrame({
    m: {"volatility, % a year": 100 * r.std() * 252**0.5, "kurtosis": float((r**4).mean() / (r**2).mean() ** 2),
        "worst day, %": 100 * np.expm1(r.min()), "5% of paths end below, %": np.quantile(100 * np.exp(r.sum(axis=1)), 0.05)}
    for m, r in moves.items()
}).T.round(2)

# %% [markdown]
# ## The market falls by 20, 40 or 60% 给定暴跌的路径
#
# The crash binds the factor on day 20 with equality. Before it, each path is drawn from its law given the fall: under Gaussian steps a
# Brownian bridge, elsewhere the law's own way down: jumps fall at once, GARCH and Heston fall through days of high variance (M-60).
#
# Given the jumps or the states, a day is Gaussian, and the draw is exact. Where the variance moves by itself, one of 16 candidates
# (GARCH) or 32 (Heston) is drawn by its weight. Weights that are far apart leave few candidates that count: the **effective part**,
# (Σ w)² / Σ w² over their number, stands above each fan as the mean of its paths, and beside it as the least. All this holds given the
# fall; nothing here is a probability.

# %%
DEPTHS, BENT = (20, 40, 60), ("gbm", "jump", "regime", "heston", "garch")
falls = [scenario(f"crash-{d}", m) for d in DEPTHS for m in BENT]
crashes = sl.run(book, falls, paths=PATHS, seed=1, out=FOLDER / "crashes", market=market)
parts = crashes.outcomes.groupby("scenario")["candidates_effective_ppm"].agg(["mean", "min"]) / 10_000

# %%
figure, panels = plt.subplots(3, 5, figsize=(15, 9), sharex=True, sharey="row")
for row, depth in zip(panels, DEPTHS, strict=True):
    for panel, model in zip(row, BENT, strict=True):
        name = f"crash-{depth}-{model}"
        fallen = factor(crashes, name)
        assert np.allclose(fallen[:, 20], 100 - depth, atol=0.001)  # with equality, on every path
        mean, least = parts.loc[name]
        fan(panel, fallen, RED, f"−{depth}%, {model}: " + ("exact" if np.isnan(mean) else f"{mean:.0f}% effective, least {least:.0f}%"))
figure.supxlabel("trading day")
figure.supylabel("factor, % of its start")
figure.tight_layout()
guided = parts.index.str.endswith(("heston", "garch"))
assert parts[~guided].isna().all(axis=None)  # nothing to weigh: exact
drawn_of = np.where(parts.index[guided].str.endswith("garch"), 16, 32)
print("effective candidates of a path\n", parts[guided].mul(drawn_of / 100, axis=0).assign(of=drawn_of).round(1).to_string())

# %% [markdown]
# Days of a history add up to few numbers, hardly ever to a given one: a bridge of the bootstrap is refused, and the refusal says
# what to ask for instead.

# %%
try:
    sl.run(book, [scenario("crash-40", "bootstrap")], paths=4, seed=1, out=FOLDER / "refused", market=market)
except InputError as refused:
    print(refused)
else:
    raise AssertionError("a bridge of the bootstrap was drawn")

# %% [markdown]
# Three events are called "a fall of 40%": standing there on a day, never having been lower, and being that far below the peak. Their paths
# differ, and so do their probabilities (M-63).

# %%
base = sl.read_scenario("crash-40").market.crash
three = [
    scenario("crash-40", "gbm", crash=base.model_copy(update={"definition": d})).model_copy(update={"id": d})
    for d in ("terminal", "minimum", "drawdown")
]
kinds = sl.run(book, three, paths=PATHS, seed=1, out=FOLDER / "kinds", market=market)
figure, panels = plt.subplots(1, 3, figsize=(13, 3.6), sharey=True)
for panel, kind in zip(panels, ("terminal", "minimum", "drawdown"), strict=True):
    fallen = factor(kinds, kind)
    panel.plot(fallen[:60].T, color="#8a4f8f", alpha=0.3, linewidth=0.8)
    panel.set_title(kind, fontsize=10)
    if kind == "minimum":
        assert (fallen >= 60 - 0.001).all()
    if kind == "drawdown":
        peak = np.maximum.accumulate(fallen[:, :21], axis=1)[:, -1]
        assert np.allclose(fallen[:, 20] / peak, 0.6, atol=0.0001)
figure.tight_layout()

# %% [markdown]
# ## The spring of 2015 二〇一五年
#
# Where the daily CSI 300 is at hand beside the repository, the market of the two years before 12 June 2015 is calibrated from it.
# Elsewhere the same cells read a file of the same form that a run has drawn, so that what is measured can be held against what was put in.

# %%
DATA = ROOT.parent / "shared" / "data" / "cn_index_daily"
REAL = DATA.is_dir()
if REAL:
    spring_history = DATA
else:
    spring_history = FOLDER / "drawn"
    spring_history.mkdir()
    drawn = sl.run(book, [scenario("baseline", "garch", "drawn").model_copy(update={"days": 496})], paths=1, seed=7,
                   out=FOLDER / "drawn-run", market=market)
    days = pd.bdate_range(end="2015-06-12", periods=497)
    pd.DataFrame({"date": days.strftime("%Y-%m-%d"), "index_id": "000300.SH", "close": 25 * factor(drawn, "drawn")[0]}).to_csv(
        spring_history / "index.csv", index=False)
sl.calibrate(spring_history, index="000300.SH", first="2013-06-03", last="2015-06-12", out=FOLDER / "spring")
spring = sl.read_market(FOLDER / "spring" / "market.toml")
print("the CSI 300:" if REAL else f"a drawn history, not the CSI 300, of a law with {market.market.volatility_pct:.1f}% a year:",
      f"{spring.market.volatility_pct:.1f} ± {spring.market.volatility_error_pct:.1f}% a year")

# %% [markdown]
# What each law that was measured then allows for the summer, in grey, and what Shanghai did from 12 June on, in red: four public
# points, 32% lower after 17 trading days. A law that has only seen a calm spring gives such a fall hardly any of its paths: that is why
# a stress test asks for what happens *given* the fall.

# %%
book.tables["instruments"]["volatility_pct"] *= 1.3  # the synthetic funds are calmer than this index allows
measured = [m for m in LAWS if m == "gbm" or getattr(spring.market, m) is not None]
summer = sl.run(book, [scenario("baseline", m, m) for m in measured], paths=300, seed=1, out=FOLDER / "summer", market=spring)
figure, panels = plt.subplots(1, len(measured), figsize=(14, 3.6), sharey=True)
lows = {}
for panel, model in zip(panels, measured, strict=True):
    allowed = factor(summer, model)
    fan(panel, allowed, GREY, model)
    panel.plot(points, color=RED, linewidth=1.8)
    lows[model] = {"% of 300 paths 32% lower by day 17": 100 * (allowed[:, :18].min(axis=1) <= points[17]).mean(),
                   "lowest of all paths, %": allowed[:, :18].min()}
figure.supxlabel("trading day")
figure.tight_layout()
pd.DataFrame(lows).T.round(2)
