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
# This notebook calibrates the S&P 500 of 1999 to 2018, draws every law, and conditions them on falls of 20, 40 and 60%. Where the
# A-share index of 2015 is at hand, it is calibrated as well. Formula numbers (M-…) are those of `docs/method.md`.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import stresslab as sl
from stresslab.market import shipped_index

FOLDER = Path(tempfile.mkdtemp())
DAYS, PATHS = 60, 200

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
# its start. All scenarios meet the same weather (M-5), so the panels differ by their laws alone.

# %%
book = sl.demo_book(12)
MODELS = ("gbm", "jump", "heston", "garch", "regime", "bootstrap")
names = {
    "deterministic": "no noise", "gbm": "Gaussian", "jump": "jumps (Merton)", "heston": "stochastic variance (Heston)",
    "garch": "GJR-GARCH, Student-t", "regime": "calm and wild states", "bootstrap": "days drawn from history, in blocks",
}


def scenario(base: str, model: str, **changes: object) -> sl.Scenario:
    """Return a shipped scenario under another law of the factor."""
    found = sl.read_scenario(base)
    block = found.market.model_copy(update={"model": model, **changes})
    return found.model_copy(update={"id": f"{base}-{model}"[:64], "days": DAYS, "market": block})


def factor(run: sl.Run, name: str) -> np.ndarray:
    """Return the factor of one scenario, paths × days 0..T, in percent of its start."""
    rows = run.table("days")
    rows = rows[(rows["scenario"] == name) & (rows["platform_id"] == rows["platform_id"].iloc[0])]
    levels = rows.pivot(index="path", columns="day", values="factor_ppm").to_numpy() / 10_000
    return np.hstack([np.full((len(levels), 1), 100.0), levels])


free = sl.run(book, [scenario("baseline", m) for m in MODELS], paths=PATHS, seed=1, out=FOLDER / "free", market=market)

# %%
figure, panels = plt.subplots(2, 3, figsize=(13, 6.5), sharex=True, sharey=True)
for panel, model in zip(panels.flat, MODELS, strict=True):
    levels = factor(free, f"baseline-{model}")
    panel.plot(levels[:40].T, color="#2f6ea5", alpha=0.35, linewidth=0.8)
    panel.fill_between(range(DAYS + 1), *np.quantile(levels, [0.05, 0.95], axis=0), color="#a9c9e3", alpha=0.5)
    panel.set_title(f"{model}: {names[model]}", fontsize=10)
figure.supxlabel("trading day")
figure.supylabel("factor, % of its start")
figure.tight_layout()

# %%
moves = {m: np.diff(np.log(factor(free, f"baseline-{m}")), axis=1) for m in MODELS}
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

# %%
DEPTHS = (20, 40, 60)
falls = [scenario(f"crash-{d}", m) for d in DEPTHS for m in ("gbm", "jump", "garch", "regime")]
crashes = sl.run(book, falls, paths=PATHS, seed=1, out=FOLDER / "crashes", market=market)

# %%
figure, panels = plt.subplots(3, 4, figsize=(14, 9), sharex=True, sharey="row")
for row, depth in zip(panels, DEPTHS, strict=True):
    for panel, model in zip(row, ("gbm", "jump", "garch", "regime"), strict=True):
        levels = factor(crashes, f"crash-{depth}-{model}")
        assert np.allclose(levels[:, 20], 100 - depth, atol=0.001)  # with equality, on every path
        panel.plot(levels[:40].T, color="#c2452d", alpha=0.3, linewidth=0.8)
        panel.fill_between(range(DAYS + 1), *np.quantile(levels, [0.05, 0.95], axis=0), color="#f0c75e", alpha=0.35)
        panel.set_title(f"−{depth}%, {model}", fontsize=10)
figure.supxlabel("trading day")
figure.supylabel("factor, % of its start")
figure.tight_layout()

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
    levels = factor(kinds, kind)
    panel.plot(levels[:60].T, color="#8a4f8f", alpha=0.3, linewidth=0.8)
    panel.set_title(kind, fontsize=10)
    if kind == "minimum":
        assert (levels >= 60 - 0.001).all()
    if kind == "drawdown":
        peak = np.maximum.accumulate(levels[:, :21], axis=1)[:, -1]
        assert np.allclose(levels[:, 20] / peak, 0.6, atol=0.0001)
figure.tight_layout()

# %% [markdown]
# ## The spring of 2015 二〇一五年
#
# Where the daily CSI 300 is at hand beside the repository, the market of the two years before June 2015 is calibrated from it, and then
# asked how likely the summer was under each law; elsewhere this part is left out.

# %%
HERE = next((p for p in (Path("../shared"), Path("../../shared"), Path("../../../shared")) if (p / "data").is_dir()), None)
if HERE is None:
    print("the history of 2015 is not at hand")
else:
    china = sl.calibrate(HERE / "data" / "cn_index_daily", index="000300.SH", first="2013-06-03", last="2015-06-12", out=FOLDER / "china")
    spring = sl.read_market(FOLDER / "china" / "market.toml")
    print(f"CSI 300: {spring.market.volatility_pct:.1f} ± {spring.market.volatility_error_pct:.1f}% a year")
    book.tables["instruments"]["volatility_pct"] *= 1.3  # the synthetic funds are calmer than this index allows
    summer = sl.run(book, [scenario("baseline", m) for m in ("gbm", "garch", "regime", "bootstrap")], paths=400, seed=1,
                    out=FOLDER / "summer", market=spring)
    lows = {m: factor(summer, f"baseline-{m}")[:, :19].min(axis=1) for m in ("gbm", "garch", "regime", "bootstrap")}
    # From 12 June to 8 July, in 18 trading days, the index fell by 31.3%.
    print({m: f"{100 * (low <= 100 - 31.3).mean():.2f}% of paths fall so far" for m, low in lows.items()})
