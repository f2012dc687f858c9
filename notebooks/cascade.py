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
# # The cascade, day by day 平仓螺旋：逐日图解
#
# A market falls; accounts are called, then sold; the sales press prices; other accounts fall below their lines. This notebook takes
# that day apart in pictures: what the shock costs and what the reaction adds, who stands behind a locked limit, which order of sale is
# worse, and whether selling in stages helps. The book is the synthetic demo book (three invented platforms, no real client); formula
# numbers (M-…) are those of `docs/method.md`. Every figure holds given its scenario: it says nothing about how likely the fall is.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import stresslab as sl
from stresslab.pairing import compare

FOLDER = Path(tempfile.mkdtemp())
DAYS, PATHS = 40, 40
BLUE, RED, GREY, GOLD, GREEN = "#2f6ea5", "#c2452d", "#8a8f98", "#d9a520", "#3f8f5b"
book = sl.demo_book(2000)


def variant(name: str, crash: dict[str, object] | None = None, **operations: object) -> sl.Scenario:
    """Return the shipped crash of 40% with another crash or another way of selling."""
    found = sl.read_scenario("crash-40")
    market = found.market.model_copy(update={"crash": found.market.crash.model_copy(update=crash or {})})
    sold = found.operations.model_copy(update=operations)
    return found.model_copy(update={"id": name, "days": DAYS, "market": market, "operations": sold})


ORDERS = ("pro_rata", "most_liquid", "largest", "most_volatile", "highest_loss")
STAGES = (2, 3, 5, 10)
GAP = {"shape": "gap", "depth_pct": 30.0, "trough_day": 5, "after": "flat"}
scenarios = [
    variant("dump"),
    *(variant(f"stages-{n}", batches=n) for n in STAGES),
    *(variant(order, sale="partial", sale_order=order) for order in ORDERS),
    variant("gap", GAP),
    variant("gap-own-part", GAP, displace=False),
]
run = sl.run(book, scenarios, paths=PATHS, seed=1, out=FOLDER / "run")
days, outcomes = run.table("days"), run.outcomes
print(f"{len(scenarios)} scenarios, {PATHS} paths of {DAYS} days, {outcomes['accounts_with_debt'].iloc[:3].sum():,} accounts with debt")


# %%
def by_day(scenario: str, column: str) -> np.ndarray:
    """Return a column of `days` as paths × days; money is added up over the platforms, the market's own columns are the same for all."""
    rows = days[days["scenario"] == scenario].groupby(["path", "day"])[column]
    found = rows.sum() if column.endswith("_li") or column == "accounts_forced" else rows.first()
    return found.unstack("day").to_numpy(dtype=float)


def band(panel: plt.Axes, values: np.ndarray, color: str, label: str) -> None:
    """Draw the mean and the middle 90% of paths."""
    x = np.arange(1, values.shape[1] + 1)
    panel.fill_between(x, *np.quantile(values, [0.05, 0.95], axis=0), color=color, alpha=0.18, linewidth=0)
    panel.plot(x, values.mean(axis=0), color=color, linewidth=1.8, label=label)


# %% [markdown]
# ## Calls, sales, prices 追缴、平仓、价格
#
# The market stands 40% lower on day 20, on every path; how it gets there differs. Each morning calls go out (M-19, M-20), accounts
# below their liquidation line and accounts with overdue calls are sold (M-21), and what is sold presses the quoted price below the
# fundamental one (M-24). Lines are means, bands hold 90% of the paths.

# %%
figure, panels = plt.subplots(2, 2, figsize=(13, 7.5), sharex=True)
band(panels[0, 0], by_day("dump", "basket_fundamental_ppm") / 1e4, BLUE, "fundamental: the shock")
band(panels[0, 0], by_day("dump", "basket_quoted_ppm") / 1e4, RED, "quoted: shock and reaction")
panels[0, 0].set_title("What the shares in accounts are worth, % of day 0")
band(panels[0, 1], by_day("dump", "margin_call_li") / 1e9, GOLD, "missing to the warning lines")
panels[0, 1].set_title("Margin call, million yuan")
band(panels[1, 0], by_day("dump", "sold_li") / 1e9, RED, "sold")
panels[1, 0].set_title("Forced sales of the day, million yuan")
band(panels[1, 1], by_day("dump", "accounts_forced"), GREY, "accounts")
panels[1, 1].set_title("Accounts that are sold that day")
for panel in panels.flat:
    panel.axvline(20, color="black", linewidth=0.6, linestyle=":")
    panel.legend(frameon=False)
figure.supxlabel("trading day")
figure.tight_layout()

# %% [markdown]
# Sales peak well before the trough: who has been sold at −25% is not there to be sold at −40%. The gap between the two baskets is the
# reaction. Part of it is permanent, the rest fades with a half-life of five days (M-24).

# %% [markdown]
# ## Shock losses and reaction losses 冲击损失与反应损失
#
# Every path is run three times (M-30): all accounts held to the end; sold under the rules at no cost to prices; sold as the market
# takes it. The first is the loss of the **shock**. The second less the first is what the **rule** is worth, the third less the second
# what the **reaction** costs. Differences are taken path by path, so what paths have in common cancels (M-50); bars of error are
# standard errors.

# %%
held = outcomes[outcomes["scenario"] == "dump"].set_index(["platform_id", "path"])
columns = ["loss_holding_li", "loss_without_impact_li", "loss_with_impact_li"]
loss = held[columns] / 1e9  # million yuan
steps = pd.DataFrame({
    "shock": loss["loss_holding_li"],
    "rule": loss["loss_without_impact_li"] - loss["loss_holding_li"],
    "reaction": loss["loss_with_impact_li"] - loss["loss_without_impact_li"],
})
grouped = steps.groupby("platform_id")
table = pd.concat({"mean, million yuan": grouped.mean(), "standard error": grouped.std(ddof=1) / PATHS**0.5}, axis=1).round(3)
print(table.to_string())
total = steps.groupby("path").sum()
error = total.std(ddof=1) / PATHS**0.5
assert np.allclose(total.sum(axis=1), loss["loss_with_impact_li"].groupby("path").sum())  # the three parts are all of the loss

# %%
figure, panels = plt.subplots(1, 4, figsize=(13, 3.4))
for panel, platform in zip(panels, [*grouped.groups, "all"], strict=True):
    part = total if platform == "all" else steps.loc[platform]
    mean, spread = part.mean(), part.std(ddof=1) / PATHS**0.5
    start = np.concatenate([[0.0], mean.cumsum().to_numpy()[:-1]])
    panel.bar(range(3), mean, bottom=start, color=[BLUE, GREEN, RED], yerr=spread, width=0.6, capsize=3)
    panel.bar(3, mean.sum(), color=GREY, width=0.6)
    panel.set_xticks(range(4), ["shock", "rule", "reaction", "run"], fontsize=9)
    panel.set_title(str(platform), fontsize=10)
    panel.axhline(0, color="black", linewidth=0.6)
panels[0].set_ylabel("loss, million yuan")
figure.tight_layout()

# %% [markdown]
# The rule saves nearly all of what holding would lose, and the reaction takes a part of that back: mostly from P3, whose clients owe
# most and have the lowest lines, hardly anything from P1, whose clients borrow least. In front of a smaller market the red bar would be
# longer: how much of a day's turnover the sales are decides it (M-24).

# %% [markdown]
# ## Locked limits 跌停封死
#
# Now the market falls by 30% in one night (day 5). A share of the main board may fall by 10% a day, ChiNext and STAR by 20%, ST shares
# by 5% (M-13). A share that opens at its limit is locked: nobody buys (M-15). So the boards open one after another.

# %%
instruments = run.table("instruments")
gap = instruments[instruments["scenario"] == "gap"]
locked = gap.pivot(index="instrument_id", columns="day", values="locked") / PATHS
boards = book.tables["instruments"].set_index("instrument_id")["board"]
ranks = ["st", "main", "chinext", "star", "fund"]
order = sorted(locked.index, key=lambda i: (ranks.index(boards[i]), -locked.loc[i].sum()))
shown = locked.loc[order, 3:16]
figure, panel = plt.subplots(figsize=(9, 5.5))
image = panel.imshow(shown, aspect="auto", cmap="Reds", vmin=0, vmax=1, interpolation="nearest")
panel.set_xticks(range(shown.shape[1]), shown.columns)
sizes = pd.Series([boards[i] for i in order]).value_counts()[ranks]
edges = sizes.cumsum().to_numpy()
panel.set_yticks(edges - sizes.to_numpy() / 2, [f"{b} ({n})" for b, n in sizes.items()])
panel.hlines(edges[:-1] - 0.5, -0.5, shown.shape[1] - 0.5, color="white", linewidth=1.5)
panel.set_xlabel("trading day")
panel.set_title("Share of paths on which an instrument is locked at the open, after −30% on day 5")
figure.colorbar(image)
figure.tight_layout()
share = locked.groupby(boards).mean()
assert share.loc["main", 5] > 0.9
assert share.loc["main", 7] > share.loc["chinext", 7]

# %% [markdown]
# ## Who cannot sell 谁卖不出
#
# One path, event by event: `replay` runs it again and checks that it ends as the run says, to the last 厘. For each account with debt
# and each day: what part of its shares is locked?

# %%
path = sl.replay(run, path=3, scenario="gap", book=book)
shut = path.events[path.events["event"] == "locked"].groupby("day")["instrument_id"].agg(set)
accounts = book.tables["accounts"].set_index("account_id")
owed = accounts[accounts["debt_li"] > 0]
positions = book.tables["positions"].merge(book.tables["instruments"][["instrument_id", "price_li"]], on="instrument_id")
positions = positions[positions["account_id"].isin(owed.index)]
worth = positions["shares"].astype(float) * positions["price_li"]
whole = worth.groupby(positions["account_id"]).sum()


def locked_part(day: int) -> pd.Series:
    """Return the part of each account's shares, at the book's prices, that is locked at the open of a day."""
    closed = worth.where(positions["instrument_id"].isin(shut.get(day, set())), 0.0)
    return closed.groupby(positions["account_id"]).sum() / whole


figure, panels = plt.subplots(1, 3, figsize=(13, 3.8), sharey=True)
for panel, platform in zip(panels, sorted(owed["platform_id"].unique()), strict=True):
    mine = owed.index[owed["platform_id"] == platform].intersection(whole.index)
    parts = {day: locked_part(day)[mine] for day in range(5, 12)}
    rows = np.array([[100 * (p >= 0.999).mean(), 100 * ((p >= 0.5) & (p < 0.999)).mean(), 100 * ((p > 0) & (p < 0.5)).mean()]
                     for p in parts.values()])
    below = np.zeros(len(rows))
    for column, color, label in zip(rows.T, (RED, GOLD, "#f0dca0"), ("all", "half or more", "some"), strict=True):
        panel.bar(list(parts), column, bottom=below, color=color, label=label)
        below += column
    panel.set_title(f"{platform}: {len(mine):,} accounts with debt", fontsize=10)
    panel.set_xlabel("trading day")
panels[0].set_ylabel("% of accounts")
panels[0].legend(title="of its shares locked", frameon=False, fontsize=9)
figure.tight_layout()

# %% [markdown]
# An account of which some shares are locked must raise the same money from the others: it sells more of what still trades and carries
# the fall there. These are displaced sales (M-48). Without displacement each account would sell only the own part of each share.

# %%
sold = gap.groupby("day")[["sold_sum_li", "displaced_sum_shares", "sold_sum_shares"]].sum()
figure, panels = plt.subplots(1, 2, figsize=(13, 3.6))
panels[0].bar(sold.index, sold["sold_sum_li"] / PATHS / 1e9, color=GREY)
panels[0].set_title("Forced sales of the day, million yuan (mean)")
panels[1].bar(sold.index, 100 * sold["displaced_sum_shares"] / sold["sold_sum_shares"].where(sold["sold_sum_shares"] > 0), color=GOLD)
panels[1].set_title("Displaced, % of the shares sold that day")
for panel in panels:
    panel.set_xlabel("trading day")
figure.tight_layout()

moved = compare(run.folder, "gap-own-part", "gap").set_index(["platform_id", "measure"]).loc["ALL"]
shown = ["displaced", "sold", "deficit", "loss_with_impact"]
print(moved.loc[shown, ["first", "second", "difference", "error", "better", "worse"]].round(0).to_string())

# %% [markdown]
# Of the accounts of that path, the one that had most locked on day 6: what it owned, owed, and could not sell.
#
# After the limits have opened the account still cannot leave: it is rationed to its part of a fifth of a day's turnover (M-15, M-23),
# orders what is left again every day, and from day 6 on its debt is more than what it owns.

# %%
stuck = (locked_part(6) * whole * (owed["platform_id"] == "P3").reindex(whole.index)).idxmax()
story = sl.replay(run, path=3, scenario="gap", book=book, account=stuck)
line = story.account_days.set_index("day")
assert (line.loc[6:19, "debt_li"] > line.loc[6:19, "collateral_li"]).all()
figure, panel = plt.subplots(figsize=(9, 3.6))
panel.plot(line.index, line["collateral_li"] / 1e6, color=BLUE, label="collateral at the close")
panel.plot(line.index, line["debt_li"] / 1e6, color=RED, label="debt at the close")
panel.bar(line.index, line["locked_li"] / 1e6, color=GOLD, alpha=0.5, label="locked at the open")
panel.set_title(f"{stuck}, thousand yuan")
panel.set_xlabel("trading day")
panel.legend(frameon=False)
figure.tight_layout()
print(story.events.loc[story.events["event"].isin(["call", "overdue", "fill", "write_off"]),
                       ["day", "round", "event", "instrument_id", "shares", "price_li", "money_li"]].head(12).to_string(index=False))


# %% [markdown]
# ## Which share first? 卖出顺序
#
# An account that needs not sell everything has a choice (M-22): a bit of each, the most liquid first, the largest position, the most
# volatile, the one with the highest loss. Here all accounts follow one rule. Against `pro_rata`, on the same paths; the error is that
# of the paired difference.


# %%
def against(base: str, others: list[str], measures: dict[str, str]) -> pd.DataFrame:
    """Return paired differences of all platforms together, other − base, in million yuan."""
    rows = []
    for other in others:
        found = compare(run.folder, base, other).set_index(["platform_id", "measure"]).loc["ALL"]
        for measure, title in measures.items():
            one = found.loc[measure]
            scale = 1e6 if one["unit"] == "yuan" else 1.0
            rows.append((other, title, one["difference"] / scale, one["error"] / scale, int(one["better"]), int(one["worse"])))
    return pd.DataFrame(rows, columns=["scenario", "measure", "difference", "error", "better", "worse"])


def forest(found: pd.DataFrame, base: str) -> None:
    """Draw differences with two standard errors each way, one panel for a measure."""
    titles = list(dict.fromkeys(found["measure"]))
    figure, panels = plt.subplots(1, len(titles), figsize=(13, 3.2), sharey=True)
    for panel, title in zip(panels, titles, strict=True):
        part = found[found["measure"] == title]
        clear = part["difference"].abs() > 2 * part["error"]
        colors = np.where(~clear, GREY, np.where(part["difference"] > 0, RED, GREEN))
        for y, (one, color) in enumerate(zip(part.itertuples(), colors, strict=True)):
            panel.errorbar(one.difference, y, xerr=2 * one.error, fmt="o", color=color, capsize=3)
        panel.axvline(0, color="black", linewidth=0.7)
        panel.set_yticks(range(len(part)), part["scenario"])
        panel.set_title(f"{title}, million yuan", fontsize=10)
    figure.supxlabel(f"difference to {base}; bars: two standard errors; red is worse")
    figure.tight_layout()


MEASURES = {
    "loss_with_impact": "loss of the run", "sold": "forced sales", "displaced": "displaced sales", "selling_cost": "cost of selling",
}
orders = against("pro_rata", [o for o in ORDERS if o != "pro_rata"], MEASURES)
forest(orders, "pro_rata")
print(orders.round(3).to_string(index=False))

# %% [markdown]
# ## At once or in stages? 一次抛出，还是分批
#
# With n stages an account sells a part each day for n days (M-47). A gentler sale presses prices less, but in a falling market the last
# part is sold lower. Which wins is a question of speed: here the market falls for twenty days.

# %%
names = [f"stages-{n}" for n in STAGES]
staged = against("dump", names, MEASURES)
forest(staged, "dump")
print(staged.round(3).to_string(index=False))

# %%
figure, panels = plt.subplots(1, 2, figsize=(13, 3.8))
for name, color in (("dump", RED), ("stages-5", GOLD), ("stages-10", BLUE)):
    panels[0].plot(range(1, DAYS + 1), by_day(name, "sold_li").mean(axis=0) / 1e9, color=color, label=name)
    gap_of = (by_day(name, "basket_quoted_ppm") / by_day(name, "basket_fundamental_ppm")).mean(axis=0)
    panels[1].plot(range(1, DAYS + 1), 100 * (gap_of - 1), color=color, label=name)
panels[0].set_title("Forced sales of the day, million yuan")
panels[1].set_title("Quoted below fundamental, %")
for panel in panels:
    panel.legend(frameon=False)
    panel.set_xlabel("trading day")
figure.tight_layout()
losses = staged[staged["measure"] == "loss of the run"]
assert (losses["difference"] > 2 * losses["error"]).all()
assert losses["difference"].is_monotonic_increasing

# %% [markdown]
# In this book and this fall, each further stage costs more than it saves: prices are pressed less until the trough, but debts wait
# while the market goes on falling, and more is left to be sold at the bottom. That is a finding about a synthetic book under a
# square-root impact law, not a rule. With `shape = "gap"` and a market that recovers, or a larger `impact_coefficient`, it may turn
# round: change `variant` above and see.
