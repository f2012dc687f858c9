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
# # Would it have been seen? 2015 能否事前看到？
#
# What was known on the evening of 12 June 2015, which alarms stood, when each first rose, and what such alarms were worth on all dated
# falls before. Models walk forward: every forecast comes from days before it, every column counts from the evening on which it was
# published. Results stand as they fell. Where the A-share tables are not at hand, the same cells tell 2008 from the S&P 500 that an
# installed package ships. Formula numbers (M-…) are those of `docs/method.md`.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import stresslab as sl
from stresslab.early_warning.backtest import Settings

HERE = Path(__file__).parent if "__file__" in globals() else Path.cwd()
ROOT = HERE if (HERE / "pyproject.toml").is_file() else HERE.parent
DATA = ROOT.parent / "shared" / "data"
TABLES = [DATA / f"cn_{name}_daily" for name in ("index", "margin", "breadth", "shibor", "ivix")]
CHINA = all(table.is_dir() for table in TABLES)
if CHINA:
    told = {"index": "000300.SH", "events": "drawdown >= 20% within 60 days", "as_of": "2015-06-12"}
    settings, window = Settings(holdout_from="2016-01-01", repetitions=100), ("2014-06-01", "2015-10-31")
else:
    told = {"demo": True, "as_of": "2008-08-29"}
    settings, window = Settings(holdout_from="2016-01-01", repetitions=100), ("2007-06-01", "2009-04-30")
MODELS = ["threshold", "rule", "logit", "boosting"]
found = sl.backtest(*(TABLES if CHINA else ()), models=MODELS, settings=settings, **told)
print(found.record["index"], found.record["from"], found.record["to"], found.record["specifications"], "specifications tried")
found.tables["events"]

# %% [markdown]
# ## The evening 当晚
#
# Each indicator with its place among the 500 days before, and the date of the row behind it: balances are those of the evening before.

# %%
evening = found.record["as_of"]
pd.DataFrame(evening["indicators"]).set_index("indicator")[["value", "place", "row", "lag"]]

# %%
pd.DataFrame(evening["models"]).set_index("model")[["alarm", "since", "first_rose", "probability"]]

# %% [markdown]
# ## The months around it 前后数月
#
# The close, and below it when each model warned; the composite rule in its grades. White: nothing said.

# %%
values = found.tables["values"].assign(date=lambda t: pd.to_datetime(t["date"])).set_index("date").loc[slice(*window)]
alarms = found.alarms.assign(date=lambda t: pd.to_datetime(t["date"]))
GRADES = {"": "#c2452d", "none": "white", "yellow": "#f0c75e", "orange": "#dd8a2b", "red": "#9e2f1c"}
figure, (top, below) = plt.subplots(2, 1, figsize=(12, 6), sharex=True, height_ratios=[2, 1])
top.plot(values.index, values["close"], color="#1b2733")
top.axvline(pd.Timestamp(evening["date"]), color="#8a4f8f", linestyle="--", linewidth=1)
names = ["volatility", *MODELS]
for row, name in enumerate(names):
    own = alarms[alarms["model"] == name].set_index("date").loc[slice(*window)]
    graded = (own["grade"] != "").any()
    on = own["grade"].ne("none") if graded else own["alarm"]
    below.scatter(own.index[on], np.full(int(on.sum()), row), c=[GRADES[g] for g in own["grade"][on]], marker="s", s=14)
below.set_yticks(range(len(names)), names)
below.invert_yaxis()
top.set_title(f"{found.record['index']}: the evening of {evening['date']} (dashed)")
figure.tight_layout()

# %% [markdown]
# ## What alarms were worth 报警价值几何
#
# On judged days alone (M-173): not inside an event or the 60 days after it, and only once every model had events to learn from.
# Intervals are told from three events on; four are still few. Volatility alone is the rule to beat.

# %%
scores = found.scores[found.scores["window"] == "walk_forward"]
wide = scores.pivot(index="model", columns="measure", values="value")[
    ["auroc", "usefulness", "noise_to_signal", "hit_rate", "false_alarm_rate", "brier", "events_warned", "lead_days"]]
wide.insert(1, "auroc_error", scores[scores["measure"] == "auroc"].set_index("model")["error"])
assert wide.loc["always", "hit_rate"] == 1.0
wide.round(3)

# %%
found.tables["tests"].round(3)

# %% [markdown]
# The held-out days are scored apart. Without an event in them only false alarms can be told.

# %%
late = found.scores[found.scores["window"] == "holdout"]
late.pivot(index="model", columns="measure", values="value")[["false_alarm_rate", "false_alarms_a_year"]].round(3)

# %% [markdown]
# ## The mood 情绪指数
#
# Trailing ranks of its parts, equally weighted (M-163; worked out by hand in `docs/examples/sentiment.md`).

# %%
figure, panel = plt.subplots(figsize=(12, 3))
panel.plot(values.index, values["sentiment"], color="#8a4f8f")
panel.axvline(pd.Timestamp(evening["date"]), color="#8a4f8f", linestyle="--", linewidth=1)
panel.set_ylim(0, 100)
panel.set_title("market sentiment index, 0 fear to 100 greed")
figure.tight_layout()

# %% [markdown]
# ## A hole in the data 数据空缺
#
# The average maintenance ratio is empty for most of April to August 2015, through the whole first leg of the fall. An alarm on it alone is
# silent then: a missing indicator raises none, and a model that reads it sees its training median. What the lenders' own figure would have
# said, nobody outside could know.

# %%
holes = found.tables["holes"]
holes[~holes["indicator"].str.startswith("candidate:")]

# %%
if "maintenance_ratio" in found.tables["values"]:
    ratio = found.tables["values"].assign(date=lambda t: pd.to_datetime(t["date"])).set_index("date")["maintenance_ratio"]
    crisis = ratio.loc["2015-04-29":"2015-08-03"]
    last = ratio.loc[:"2015-04-29"].dropna().iloc[-1]
    print(f"{crisis.notna().sum()} of {len(crisis)} evenings known from 29 April to 3 August 2015; last before: {last:.1f}%")
    figure, panel = plt.subplots(figsize=(12, 3))
    panel.plot(ratio.loc[slice(*window)].index, ratio.loc[slice(*window)], color="#2f6ea5", marker=".", markersize=3)
    panel.set_title("average maintenance ratio as known each evening, %")
    figure.tight_layout()
else:
    print("no maintenance ratio in these tables")
