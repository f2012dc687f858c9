"""The independent bookkeeper: what went in equals what came out, to the last 厘.

It knows a world and the result of one path, of the plain twin or, in the same shape, of the
kernel, and no rule of the cascade: only where money and shares may come from and go to.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

World = dict[str, Any]
Result = dict[str, Any]
Row = dict[str, int]

LAYERS = ("reserve", "own_capital", "junior", "senior", "claims")
MAY_BE_NEGATIVE = {"own_capital_end_li", "hedge_gain_li"}


def audit(world: World, result: Result) -> None:
    """Assert that the result of one path keeps every account of the world."""
    check_shape(world, result)
    for index, start in enumerate(world["platforms"]):
        end = result["platforms"][index]
        check_balance(world, index, end)
        check_clients(world, result, index)
        check_platform_money(start, end)
        check_layers(start, end)
        check_exchange(world, index, end)
        check_redemption(start, end)
        check_calls(world, result, index)
        check_days_of(world, result, index)
    check_shares(world, result)
    check_market(world, result)
    check_breaker(world, result)
    check_plan(world, result)
    check_proceeds(world, result)
    check_displaced(world, result)
    check_sizes(world, result)


def check_shape(world: World, result: Result) -> None:
    """Assert that there is one row of each kind and that nothing is negative that must not be."""
    days = len(world["fundamental"]) - 1
    assert len(result["platforms"]) == len(world["platforms"])
    assert len(result["accounts"]) == len(world["accounts"])
    assert len(result["days"]) == len(result["instruments"]) == days
    for row in result["platforms"]:
        for name, value in row.items():
            assert value >= 0 or name in MAY_BE_NEGATIVE, (name, value)
    for start, row in zip(world["accounts"], result["accounts"], strict=True):
        assert len(row["shares"]) == len(start["positions"])
        assert all(n >= 0 for n in row["shares"])
        for name in ("called", "forced", "deficit_li", "sold_li", "cash_li", "debt_li"):
            assert row[name] >= 0, name
        assert row["called"] <= days
        assert row["forced"] <= 1
    assert 0 <= result["path"]["rounds_most"] <= world["terms"]["rounds_max"]
    assert 0 <= result["path"]["rounds_limit_days"] <= days
    if result["path"]["rounds_limit_days"] > 0:
        assert result["path"]["rounds_most"] == world["terms"]["rounds_max"]
    for day in result["instruments"]:
        for quote in day:
            assert all(value >= 0 for value in quote.values())
            assert quote["locked"] <= 1


def start_accounts(world: World, index: int) -> list[dict[str, Any]]:
    """Return the accounts of one platform at the start."""
    return [a for a in world["accounts"] if a["platform"] == index]


def end_accounts(world: World, result: Result, index: int) -> list[dict[str, Any]]:
    """Return the accounts of one platform at the end."""
    both = zip(world["accounts"], result["accounts"], strict=True)
    return [end for start, end in both if start["platform"] == index]


def check_balance(world: World, index: int, end: Row) -> None:
    """Assert (M-29) at the start and at the end."""
    start = world["platforms"][index]
    loans = sum(a["debt"] for a in start_accounts(world, index))
    owed = sum(layer["amount"] for layer in start["funding"]) + start["line_drawn"]
    assets = loans + start["cash"] + start["pool"] + start["other"]
    assert assets == owed + start["claims"] + start["reserve"] + start["own_capital"]

    assets = end["loans_end_li"] + end["in_transit_end_li"] + end["cash_end_li"]
    assets += end["pool_end_li"] + start["other"] + end["hedge_end_li"]
    owed = end["junior_end_li"] - end["absorbed_by_junior_li"]
    owed += end["senior_end_li"] - end["absorbed_by_senior_li"]
    owed += end["claims_end_li"] - end["absorbed_by_claims_li"]
    assert assets == owed + end["reserve_end_li"] + end["own_capital_end_li"]


def check_clients(world: World, result: Result, index: int) -> None:
    """Assert that cash and debt of a platform's accounts roll forward."""
    before = start_accounts(world, index)
    after = end_accounts(world, result, index)
    end = result["platforms"][index]
    cash = sum(a["cash"] for a in before) + end["client_paid_li"]
    cash += end["sold_li"] - end["selling_cost_li"] - end["repaid_li"]
    assert cash == end["account_cash_end_li"] == sum(a["cash_li"] for a in after)
    debt = sum(a["debt"] for a in before) + end["loan_interest_li"]
    debt -= end["repaid_li"] + end["deficit_li"] + end["compensation_li"]
    assert debt == end["loans_end_li"] == sum(a["debt_li"] for a in after)
    assert end["sold_li"] == sum(a["sold_li"] for a in after)
    assert end["selling_cost_li"] <= end["sold_li"]
    assert end["deficit_li"] == sum(a["deficit_li"] for a in after)
    assert end["accounts_with_debt"] == sum(a["debt"] > 0 for a in before)
    assert end["accounts_called"] == sum(a["called"] > 0 for a in after)
    assert end["accounts_forced"] == sum(a["forced"] for a in after)
    assert end["accounts_in_deficit"] == sum(a["deficit_li"] > 0 for a in after)
    assert end["deficit_unrealised_li"] <= end["loans_end_li"]
    for old, new in zip(before, after, strict=True):
        if old["debt"] == 0:
            assert new["cash_li"] == old["cash"]
            assert new["debt_li"] == 0
            assert new["shares"] == [p["shares"] for p in old["positions"]]
        if new["deficit_li"] > 0:
            assert new["debt_li"] == 0
            assert not any(new["shares"])
        assert (new["sold_li"] > 0) <= (new["forced"] == 1)


def check_platform_money(start: dict[str, Any], end: Row) -> None:
    """Assert that a platform's cash, pool, line and own capital roll forward."""
    raised = start["pool"] - end["pool_end_li"] - end["pool_loss_li"]
    assert raised >= 0
    cash = start["cash"] + end["repaid_li"] - end["in_transit_end_li"] + raised
    cash += end["line_drawn_li"] - end["redemption_paid_li"] - end["funding_returned_li"]
    # What hedges cost, gained and still hold is cash, or owed to the broker.
    cash += end["hedge_gain_li"] - end["hedge_cost_li"] - end["hedge_end_li"] + end["hedge_owed_li"]
    assert cash == end["cash_end_li"]
    assert end["line_drawn_li"] <= start["line"]
    assert end["in_transit_end_li"] <= end["repaid_li"]
    own = start["own_capital"] + end["loan_interest_li"] - end["funding_interest_li"]
    own -= end["pool_loss_li"] + end["absorbed_by_own_capital_li"] + end["exchange_loss_li"]
    own += end["hedge_gain_li"] - end["hedge_cost_li"]
    own += start["reserve"] - end["absorbed_by_reserve_li"] - end["compensation_li"]
    assert own == end["own_capital_end_li"] + end["reserve_end_li"]
    assert end["own_funds_before_li"] == start["reserve"] + start["own_capital"]


def check_exchange(world: World, index: int, end: Row) -> None:
    """Assert that rates of exchange cost at least their part of what nobody took back, and nothing where none moves (M-240)."""
    start = world["platforms"][index]
    moves = [m for m in world.get("exchange", []) if m["platform"] == index and m["day"] < len(world["fundamental"])]
    if not moves:
        assert end["exchange_loss_li"] == 0
    if not end["funding_returned_li"]:
        least = sum(start["funding"][m["layer"]]["amount"] * m["rise_bp"] // 10_000 for m in moves)
        assert end["exchange_loss_li"] >= least


def check_layers(start: dict[str, Any], end: Row) -> None:
    """Assert that the layers bear the deficit, none more than it has, and keep legal amounts."""
    assert sum(end[f"absorbed_by_{layer}_li"] for layer in LAYERS) == end["deficit_li"]
    compensated = start["reserve"] - end["absorbed_by_reserve_li"] - end["reserve_end_li"]
    assert 0 <= compensated <= end["compensation_li"]
    funded = sum(layer["amount"] for layer in start["funding"]) + start["line_drawn"]
    funded += end["funding_interest_li"] + end["line_drawn_li"] + end["hedge_owed_li"] - end["funding_returned_li"]
    funded += end["exchange_loss_li"]
    assert funded == end["junior_end_li"] + end["senior_end_li"]
    junior = sum(layer["amount"] for layer in start["funding"] if layer["seniority"] >= 2)
    assert junior - end["funding_returned_li"] <= end["junior_end_li"]
    for layer in ("junior", "senior", "claims"):
        assert end[f"absorbed_by_{layer}_li"] <= end[f"{layer}_end_li"]


def check_redemption(start: dict[str, Any], end: Row) -> None:
    """Assert that redemptions roll forward and that nobody is paid more than is due."""
    if "holders" in start:
        check_requests(start, end)
    else:
        assert end["redemption_due_li"] == start["due"][-1]
        assert end["redemption_segregated_li"] == start["due_segregated"][-1]
        for name in ("wave_asked_li", "wave_groups", "gated_end_li", "foreign_asked_li"):
            assert end[name] == 0
        assert end["funding_recalled_li"] == end["funding_due_li"] == end["funding_returned_li"] == 0
    assert end["redemption_paid_li"] <= end["redemption_due_li"]
    assert end["redemption_due_li"] - end["redemption_paid_li"] == end["unpaid_end_li"]
    assert start["claims"] - end["redemption_paid_li"] == end["claims_end_li"]


def check_requests(start: dict[str, Any], end: Row) -> None:
    """Assert that nobody asks for more than he has, and that funders get back no more than they lent."""
    claims = sum(h["amount"] for h in start["holders"])
    free = sum(h["amount"] for h in start["holders"] if h["free"])
    assert claims - start["segregated"] == start["claims"]
    assert end["redemption_due_li"] + end["gated_end_li"] <= start["claims"]
    assert end["redemption_segregated_li"] <= min(start["segregated"], free)
    assert end["wave_asked_li"] <= claims
    assert (end["wave_asked_li"] > 0) == (end["wave_groups"] > 0)
    assert end["wave_groups"] <= len({h["group"] for h in start["holders"]})
    funding = sum(layer["amount"] for layer in start["funding"])
    assert end["funding_returned_li"] <= end["funding_due_li"] <= end["funding_recalled_li"] <= funding + end["exchange_loss_li"]
    # An amount may be told twice: of the foreign layer behind another one, when its front takes as much by its own clause.
    most = sum(h["amount"] for h in start["holders"] if h["foreign"])
    most += sum(c["own"] for k in start["nodes"] if k["foreign"] for c in k["clauses"])
    assert end["foreign_asked_li"] <= most
    if start["gate"] is None:
        assert end["gated_end_li"] == 0


def check_calls(world: World, result: Result, index: int) -> None:
    """Assert that calls are answered at most once and that the ratios are shares."""
    end = result["platforms"][index]
    answered = end["client_paid_li"] + end["margin_call_unanswered_li"]
    assert answered <= end["margin_call_issued_li"]
    calls = sum(a["called"] for a in end_accounts(world, result, index))
    assert (calls > 0) == (end["margin_call_issued_li"] > 0)
    for name in ("margin_coverage_ppm", "margin_coverage_fundamental_ppm"):
        assert end[name] <= 1_000_000
    peaks = [day[index]["margin_call_li"] for day in result["days"]]
    assert end["margin_call_peak_li"] == max(peaks, default=0)
    peak_day = peaks.index(max(peaks)) + 1 if max(peaks, default=0) > 0 else 0
    assert end["margin_call_peak_day"] == peak_day


def first_day(flags: list[bool]) -> int:
    """Return the first day whose flag is set, 0 for none."""
    return flags.index(True) + 1 if True in flags else 0


def check_days_of(world: World, result: Result, index: int) -> None:
    """Assert that a platform's days add up to its totals and name its failure."""
    start, end = world["platforms"][index], result["platforms"][index]
    days: list[Row] = [day[index] for day in result["days"]]
    deficits = [0, *(day["deficit_li"] for day in days)]
    assert deficits == sorted(deficits)
    assert deficits[-1] == end["deficit_li"]
    assert sum(day["sold_li"] for day in days) == end["sold_li"]
    assert days[-1]["own_funds_li"] == end["reserve_end_li"] + end["own_capital_end_li"]
    assert days[-1]["unpaid_li"] == end["unpaid_end_li"]
    assert end["unpaid_days"] == sum(day["unpaid_li"] > 0 for day in days)
    most = len(start_accounts(world, index))
    assert all(0 <= day["accounts_forced"] <= most for day in days)
    assert end["accounts_forced"] <= sum(day["accounts_forced"] for day in days)

    due = [0, *(day["due_li"] for day in days)]
    funding_due = [0, *(day["funding_due_li"] for day in days)]
    assert due == sorted(due)
    assert due[-1] == end["redemption_due_li"]
    assert funding_due == sorted(funding_due)
    assert funding_due[-1] == end["funding_due_li"]
    assert days[-1]["gated_li"] == end["gated_end_li"]
    assert days[-1]["loans_li"] == end["loans_end_li"]
    assert end["margin_coverage_ppm"] == min([1_000_000, *(day["margin_coverage_ppm"] for day in days)])
    if "holders" not in start:
        assert due == start["due"]
    elif start["gate"] is not None:
        assert all(b - a <= start["gate"] for a, b in pairwise(due))
    paid = [due[t] - day["unpaid_li"] for t, day in enumerate(days, start=1)]
    assert all(0 <= a <= b for a, b in zip([0, *paid], paid, strict=False))
    exhausted = [day["own_funds_li"] <= 0 for day in days]
    grace = world["terms"]["payment_grace_days"]
    late = [paid[t - 1] < due[max(0, t - grace)] for t in range(1, len(days) + 1)]
    failed = first_day([a or b for a, b in zip(exhausted, late, strict=True)])
    assert end["own_funds_exhausted_day"] == first_day(exhausted)
    alive = days[:failed] if failed else days
    unpaid_day = first_day([day["unpaid_li"] > 0 for day in alive])
    if end["funding_due_li"] == 0:
        assert end["failure_day"] == failed
        assert end["first_unpaid_day"] == unpaid_day
    else:  # what was returned to funders by when is not told: they may have waited, too
        assert 0 < end["failure_day"] <= failed or not failed
        assert 0 < end["first_unpaid_day"] <= unpaid_day or not unpaid_day
        failed = end["failure_day"]
        late_funders = end["funding_returned_li"] < funding_due[max(0, failed - grace)]
        assert not failed or exhausted[failed - 1] or late[failed - 1] or late_funders
    if failed:
        assert all(amount == paid[failed - 1] for amount in paid[failed:])


def check_shares(world: World, result: Result) -> None:
    """Assert that the shares that left the accounts are the shares that the market took."""
    sold = [0] * len(world["instruments"])
    for old, new in zip(world["accounts"], result["accounts"], strict=True):
        gone_of_account = 0
        for position, shares in zip(old["positions"], new["shares"], strict=True):
            gone = position["shares"] - shares
            assert 0 <= gone <= min(position["sellable"], position["shares"])
            sold[position["instrument"]] += gone
            gone_of_account += gone
        assert (gone_of_account > 0) == (new["sold_li"] > 0)
    for index, shares in enumerate(sold):
        assert shares == sum(day[index]["sold_shares"] for day in result["instruments"])


def day_band(world: World, day: int, index: int, previous: int) -> tuple[int, int]:
    """Return the lowest and the highest price that a day can have seen.

    Impact only lowers a price, so nothing is dearer than the fundamental unless a limit holds it.
    """
    tick, limit = world["instruments"][index]["tick"], world["limit_bp"][day][index]
    fundamental = world["fundamental"][day][index]
    if world["closed"][day][index]:
        return previous, previous
    if limit == 0:
        return tick, max(tick, fundamental)
    units = previous // tick
    low = min(units - 1, (units * (10_000 - limit) + 5000) // 10_000)
    high = max(units + 1, (units * (10_000 + limit) + 5000) // 10_000)
    low = max(1, low) * tick
    return low, min(high * tick, max(low, fundamental))


def closes_before(world: World, result: Result, day: int) -> list[int]:
    """Return the closes of the day before, on day 1 the prices of the book."""
    if day == 1:
        return [terms["price"] for terms in world["instruments"]]
    return [quote["quoted"] for quote in result["instruments"][day - 2]]


def check_market(world: World, result: Result) -> None:
    """Assert that prices keep ticks and limits, and that sales keep to the market's capacity."""
    share = world["terms"]["participation_bp"]
    for t, row in enumerate(result["instruments"], start=1):
        before = closes_before(world, result, t)
        for index, terms in enumerate(world["instruments"]):
            quote, previous, limit = row[index], before[index], world["limit_bp"][t][index]
            closed = world["closed"][t][index]
            capacity = terms["adv_shares"] * share // 10_000
            low, high = day_band(world, t, index, previous)
            assert low <= quote["quoted"] <= high
            assert quote["quoted"] % terms["tick"] == 0
            assert 0 <= quote["sold_shares"] <= (0 if quote["locked"] or closed else capacity)
            assert not closed or quote["locked"] == 1
            if quote["locked"] and not closed:
                assert limit > 0
                assert quote["quoted"] == low < previous
            if world["terms"]["impact"] == "none" and quote["sold_shares"]:
                assert not (quote["quoted"] == low < previous and limit)


def index_weights(world: World) -> list[int]:
    """Return the shares of each instrument in all accounts at the start."""
    weights = [0] * len(world["instruments"])
    for account in world["accounts"]:
        for position in account["positions"]:
            weights[position["instrument"]] += position["shares"]
    return weights


def check_breaker(world: World, result: Result) -> None:
    """Assert that the breaker tripped on the days that closed below its level, and stopped sales.

    Sales only lower a day's prices: a breaker that ever tripped still stands tripped at the close,
    and where even the dearest prices that the day can have seen trip it nobody sold anything.
    """
    level = world["terms"]["breaker_bp"]
    weights = index_weights(world)
    tripped = 0
    for t, row in enumerate(result["instruments"], start=1):
        before = closes_before(world, result, t)
        highest = [day_band(world, t, k, price)[1] for k, price in enumerate(before)]
        index = sum(n * price for n, price in zip(weights, before, strict=True))
        least = max(1, index * level // 10_000)
        at_close = index - sum(n * q["quoted"] for n, q in zip(weights, row, strict=True))
        at_most = index - sum(n * price for n, price in zip(weights, highest, strict=True))
        if level > 0 and at_close >= least:
            tripped += 1
            if at_most >= least or world["terms"]["impact"] == "none":
                assert not any(quote["sold_shares"] for quote in row)
    assert result["path"]["breaker_days"] == tripped


def check_proceeds(world: World, result: Result) -> None:
    """Assert that each sale brought a price between the close and the day's highest."""
    for t, row in enumerate(result["instruments"], start=1):
        before = closes_before(world, result, t)
        for index, quote in enumerate(row):
            _, high = day_band(world, t, index, before[index])
            assert quote["sold_shares"] * quote["quoted"] <= quote["sold_li"]
            assert quote["sold_li"] <= quote["sold_shares"] * high
        sold = sum(quote["sold_li"] for quote in row)
        assert sold == sum(day["sold_li"] for day in result["days"][t - 1])


def check_plan(world: World, result: Result) -> None:
    """Assert that without rules nothing responds, and that nobody sells or is called on days on which the desk is shut."""
    plan = world.get("plan", {"no_calls": (), "no_sales": (), "compensation_bp": 0, "rules": ()})
    for end in result["platforms"]:
        if not plan["rules"]:
            assert end["first_response_day"] == end["hedge_cost_li"] == end["hedge_gain_li"] == end["hedge_end_li"] == 0
        if not plan["compensation_bp"] or not plan["no_sales"]:
            assert end["compensation_li"] == 0
    for t, row in enumerate(result["days"], start=1):
        for platform in row:
            assert t not in plan["no_sales"] or (platform["sold_li"] == 0 and platform["accounts_forced"] == 0)
    if len(plan["no_calls"]) == len(result["days"]):
        assert not any(account["called"] for account in result["accounts"])


def check_displaced(world: World, result: Result) -> None:
    """Assert that displaced sales are a part of all sales, in shares and in money (M-48)."""
    least = most = 0
    for t, row in enumerate(result["instruments"], start=1):
        before = closes_before(world, result, t)
        for index, quote in enumerate(row):
            _, high = day_band(world, t, index, before[index])
            assert quote["displaced_shares"] <= quote["sold_shares"]
            least += quote["displaced_shares"] * quote["quoted"]
            most += quote["displaced_shares"] * high
    displaced = sum(end["displaced_li"] for end in result["platforms"])
    assert least <= displaced <= most
    for end in result["platforms"]:
        assert end["displaced_li"] <= end["sold_li"]
    if not world["terms"]["displace"] or len(world["instruments"]) == 1:
        assert displaced == least == most == 0


def check_sizes(world: World, result: Result) -> None:
    """Assert minimum orders, whole lots and batches, where the end of a path shows them."""
    for old, new in zip(world["accounts"], result["accounts"], strict=True):
        for position, shares in zip(old["positions"], new["shares"], strict=True):
            gone = position["shares"] - shares
            if gone > 0 and never_rationed(world, result, position["instrument"]):
                check_orders(world, position, gone)
        if len(old["positions"]) == 1:
            check_batches(world, result, old["positions"][0], new["shares"][0])


def never_rationed(world: World, result: Result, index: int) -> bool:
    """Whether an instrument's capacity was on no day so nearly used up as rationing leaves it.

    Rationing rounds down, less than one share for each order, and no account orders twice a round.
    """
    share = world["terms"]["participation_bp"]
    capacity = world["instruments"][index]["adv_shares"] * share // 10_000
    most = capacity - len(world["accounts"])
    return all(day[index]["sold_shares"] <= most for day in result["instruments"])


def check_orders(world: World, position: Row, gone: int) -> None:
    """Assert that fills in full are whole orders, unless all that may be sold went (M-22)."""
    if gone == min(position["sellable"], position["shares"]):
        return
    terms = world["instruments"][position["instrument"]]
    assert gone >= max(terms["lot"], terms["min_order"])
    if terms["min_order"] % terms["lot"] == 0:
        assert gone % terms["lot"] == 0


def check_batches(world: World, result: Result, position: Row, left: int) -> None:
    """Assert that an account with one position sells at most T parts of n in T days (M-47).

    The j-th batch is at most what is held / (n - j + 1), rounded up to an order: from sold shares x
    to x + (held - x) / (n - j + 1), so that after T batches T / n of it are gone, and T roundings.
    """
    days, batches = len(result["days"]), world["terms"]["batches"]
    if days >= batches:
        return
    terms = world["instruments"][position["instrument"]]
    rounding = 1 + max(terms["lot"], terms["min_order"])
    most = -(-position["shares"] * days // batches) + days * rounding
    assert position["shares"] - left <= most
