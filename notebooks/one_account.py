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
# # One account through a crash 一个账户的强制平仓
#
# A client owns 100,000 yuan, borrows twice as much (1:2) and holds 30,000 shares at 10.00 yuan. The price then falls by
# 0.40 a day for ten days, to 6.00. The warning line (警戒线) is 130%, the liquidation line (平仓线) 120%. Nobody answers
# the margin call; there is no interest, no daily limit and no price impact. A sale costs 0.08%.
#
# First the arithmetic by hand, then stresslab on the files in `one_account/`, then the two side by side. Formula numbers
# (M-…) are those of `docs/method.md`.

# %%
import tempfile
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import pandas as pd

import stresslab as sl

FOLDER = next(p for p in (Path("one_account"), Path("notebooks/one_account")) if p.is_dir())

# %% [markdown]
# ## By hand 手工计算
#
# The maintenance ratio is m = A / D: collateral over debt (M-3). At the start m = 300,000 / 200,000 = 150%.
#
# | day | price | A | m | |
# |---|---|---|---|---|
# | 3 | 8.80 | 264,000 | 132% | nothing |
# | 4 | 8.40 | 252,000 | 126% | below 130%: a call of 260,000 − 252,000 = 8,000 (M-20) |
# | 5 | 8.00 | 240,000 | 120% | not *below* 120%: no sale |
# | 6 | 7.60 | 228,000 | 114% | below 120%: a forced sale (M-21) |
#
# The sale must lift m back to the restore line, 130%. Selling v yuan of shares repays v (1 − 0.0008) of debt, so
# (A − v) / (D − v (1 − c)) = 1.3 gives v = (1.3 D − A) / (1.3 (1 − c) − 1): on day 6
# 32,000 / 0.29896 = 107,037.73 yuan, 14,083.9 shares, so 14,084.
#
# The call of day 4 has two days of grace. From day 7 on it is overdue and forces a sale each day on which m is below 130%.


# %%
def by_hand() -> pd.DataFrame:
    """Follow the account day by day in exact decimals."""
    shares, debt, called, rows = 30_000, Decimal(200_000), 0, []
    for day in range(1, 13):
        price = Decimal("10.00") - Decimal("0.40") * min(day, 10)
        collateral = shares * price
        missing = max(Decimal(0), Decimal("1.3") * debt - collateral)
        if missing and not called:
            called = day
        elif not missing:
            called = 0
        overdue = called and day > called + 2
        sold = 0
        if missing and (overdue or collateral < Decimal("1.2") * debt):
            value = missing / (Decimal("1.3") * (1 - Decimal("0.0008")) - 1)
            sold = int((value / price).to_integral_value(ROUND_CEILING))
        gross = sold * price
        cost = (gross * Decimal("0.0008")).quantize(Decimal("0.001"), ROUND_CEILING)
        rows.append((day, price, collateral, debt, round(100 * collateral / debt, 2), missing, sold, gross))
        shares, debt = shares - sold, debt - (gross - cost)
    names = ["day", "price", "A", "D", "m %", "missing to 130%", "shares sold", "sold for"]
    return pd.DataFrame(rows, columns=names).set_index("day")


hand = by_hand()
print(hand.to_string())

# %% [markdown]
# ## By stresslab 引擎计算
#
# The same account from its files. One path is enough: the scenario draws nothing at random.

# %%
for name in ("accounts", "positions", "instruments", "platforms"):
    print(name, (FOLDER / f"{name}.csv").read_text(encoding="utf-8"), sep="\n")

# %%
with tempfile.TemporaryDirectory() as folder:
    run = sl.run(FOLDER, [FOLDER / "scenario.toml"], paths=1, seed=1, out=Path(folder) / "run")
    outcome = run.outcomes.iloc[0]
    days = run.table("days").set_index("day")
    share = run.table("instruments").set_index("day")

YUAN = Decimal(1000)  # money in a run's tables is in 厘, 0.001 yuan
machine = pd.DataFrame(
    {
        "price": [int(v) / YUAN for v in share["quoted_sum_li"]],
        "missing to 130%": [int(v) / YUAN for v in days["margin_call_li"]],
        "shares sold": [int(v) for v in share["sold_sum_shares"]],
        "sold for": [int(v) / YUAN for v in days["sold_li"]],
    },
    index=days.index,
)
print(machine.to_string())

# %% [markdown]
# ## Side by side 对照
#
# They agree to the last 厘. (What is missing is rounded up to whole 厘: a call is never too small.)

# %%
for column in ("price", "shares sold", "sold for"):
    assert hand[column].tolist() == machine[column].tolist(), column
assert [v.quantize(Decimal("0.001"), ROUND_CEILING) for v in hand["missing to 130%"]] == machine["missing to 130%"].tolist()

last = hand.iloc[-1]
print(f"debt left         {last['D']:>12,}  by hand")
print(f"                  {int(outcome['loans_end_li']) / YUAN:>12,}  by stresslab")
assert last["D"] == int(outcome["loans_end_li"]) / YUAN

# %% [markdown]
# ## What the rule was worth 平仓的价值
#
# Held to the end, 30,000 shares at 6.00 bring 180,000 less 144 of cost, and 20,144 of the debt of 200,000 are missing. Sold
# in five steps, 6,397 shares worth 38,382 stand behind a debt of 29,524.491: the platform loses nothing (M-30).

# %%
print(f"loss when holding {int(outcome['loss_holding_li']) / YUAN:>12,}")
print(f"loss when selling {int(outcome['loss_with_impact_li']) / YUAN:>12,}")
assert int(outcome["loss_holding_li"]) / YUAN == 200_000 - (180_000 - 144)
assert outcome["loss_with_impact_li"] == 0

# %% [markdown]
# Change a line in `one_account/accounts.csv` or the depth in `one_account/scenario.toml` and run it again: with a fall of 40%
# in a single day (`shape = "gap"`, `trough_day = 1`) the sale comes too late, and reserve and own capital pay the rest of the debt.
