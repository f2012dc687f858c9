"""The kernel's view of a world: the same dicts that the plain twin reads, as arrays of records."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from stresslab import repricing
from stresslab.kernels import cascade, layout, liquidity, loans, requests, responses, screen

compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes minutes as plain Python, without the JIT")
IMPACTS = {"none": 0, "sqrt": 1, "linear": 2, "exponential": 3, "almgren": 4}
ORDERS = ("pro_rata", "most_liquid", "largest", "most_volatile", "highest_loss")
World = dict[str, Any]
READINGS = {
    "market_fall": responses.MARKET_FALL, "volatility": responses.VOLATILITY, "margin_coverage": responses.MARGIN_COVERAGE,
    "liquid_share": responses.LIQUID_SHARE, "own_funds_lost": responses.OWN_FUNDS_LOST, "unpaid": responses.UNPAID,
    "day": responses.ON_DAY, "maintenance": responses.MAINTENANCE,
}
ACTIONS = {
    "raise_lines": responses.RAISE_LINES, "cap_leverage": responses.CAP_LEVERAGE, "sell_in_batches": responses.SELL_IN_BATCHES,
    "pause_sales": responses.PAUSE_SALES, "draw_line": responses.DRAW_LINE, "hedge_futures": responses.HEDGE_LINEAR,
    "hedge_put": responses.HEDGE_PUT,
}


def facts_of(world: World) -> layout.Facts:
    account = layout.records(layout.ACCOUNT, len(world["accounts"]))
    rows = [q for a in world["accounts"] for q in a["positions"]]
    position = layout.records(layout.POSITION, len(rows))
    at = 0
    for n, a in enumerate(world["accounts"]):
        for name in ("cash", "debt", "platform", "rate_bp", "rate_most_bp", "floats_from", "warning_bp",
                     "liquidation_bp", "restore_bp", "full_sale"):
            account[name][n] = min(a[name], layout.NEVER) if name == "floats_from" else a[name]
        account["investor_type"][n] = a["type"]
        account["sale_order"][n] = ORDERS.index(a["sale_order"])
        account["first"][n] = at
        at += len(a["positions"])
        account["last"][n] = at
    for row, q in enumerate(rows):
        position[row] = (q["instrument"], q["shares"], q["sellable"], q["cost_price"])
    terms = world["terms"]
    instrument = layout.records(layout.INSTRUMENT, len(world["instruments"]))
    for i, stock in enumerate(world["instruments"]):
        for name in ("price", "tick", "lot", "min_order", "cost_bp", "theta"):
            instrument[name][i] = stock[name]
        instrument["volume"][i] = stock["adv_shares"]
        instrument["sigma"][i] = stock["sigma_day"]
        instrument["capacity"][i] = stock["adv_shares"] * terms["participation_bp"] // 10_000
        instrument["weight"][i] = sum(q["shares"] for q in rows if q["instrument"] == i)
    limit_bp = np.array(world["limit_bp"], np.uint16).reshape(len(world["fundamental"]), len(world["instruments"]))
    clauses = _clauses(world)
    known = _notices(world)
    account["clause"] = [1 + known.index(a["notice"]) for a in world["accounts"]]
    lenders, terms = _lenders(world), _terms(world, instrument)
    return cascade.make_facts(account, position, instrument, limit_bp, *lenders, terms, clauses, _requests(world))


def _notices(world: World) -> list[int]:
    return sorted({a["notice"] for a in world["accounts"]})


def _resets(world: World) -> list[int]:
    return sorted({k["reset_days"] for p in world["platforms"] for k in p["funding"]} - {0})


def _clauses(world: World) -> layout.Clauses:
    """The clauses of a world: nothing, each notice, each reset period; where rates are drawn nothing is known before the path."""
    days = _calendar(world)
    fixing = np.array([
        np.zeros(days.size, np.int64),
        *(repricing.fixed_after_notice(days, notice) for notice in _notices(world)),
        *(repricing.fixed_at_resets(days, period) for period in _resets(world)),
    ])
    shift = np.array(world["shift_bp"], np.int64)
    if world["rates_drawn"]:
        highest = np.maximum(shift + world.get("rates_slack", 0), 0)
        highest[0] = 0
        return layout.Clauses(fixing, np.zeros_like(fixing), highest, True)
    return layout.Clauses(fixing, shift[fixing], np.zeros(days.size, np.int64), False)


def ready(world: World, facts: layout.Facts, state: layout.State) -> layout.State:
    """A state with the rates of the world's path."""
    if facts.clauses.random:
        loans.reprice(np.array(world["shift_bp"], np.int64), facts, state)
    return state


def _calendar(world: World) -> Any:
    return np.array([(t * 365 * 2 + 252) // 504 for t in range(len(world["fundamental"]))], np.int64)


def paths_of(world: World) -> tuple[Any, Any, Any]:
    """Fundamental prices, factor and closed days of a world."""
    shape = len(world["fundamental"]), len(world["instruments"])
    return (np.array(world["fundamental"], np.int64).reshape(shape), np.array(world["factor_bp"], np.int64),
            np.array(world["closed"], np.uint8).reshape(shape))


def _lenders(world: World) -> tuple[Any, Any, Any]:
    lenders = world["platforms"]
    platform = layout.records(layout.PLATFORM, len(lenders))
    due = layout.records(layout.DUE, len(world["fundamental"]), len(lenders))
    layers: list[tuple[int, ...]] = []
    for p, lender in enumerate(lenders):
        for name in ("cash", "pool", "other", "line", "reserve", "own_capital", "claims"):
            platform[name][p] = lender[name]
        due["own"][:, p] = lender["due"]
        due["segregated"][:, p] = lender["due_segregated"]
        layers.append((p, lender["line_drawn"], lender["line_rate_bp"], layout.FIXED, 0))
    first = 1 + len(_notices(world))
    for p, lender in enumerate(lenders):
        layers += [
            (p, k["amount"], k["rate_bp"], first + _resets(world).index(k["reset_days"]) if k["reset_days"] else 0, int(k["seniority"] > 1))
            for k in lender["funding"]
        ]
    layer = layout.records(layout.LAYER, len(layers))
    for k, row in enumerate(layers):
        layer[k] = row
    return platform, due, layer


MEASURES = ("market_fall", "rating", "own_funds", "own_funds_of_loans", "coverage", "foreign")


def _requests(world: World) -> requests.Requests | None:
    """The requests of a world, sorted as the kernel wants them; None where it has none."""
    plan = world.get("withdrawals")
    if not plan:
        return None
    claims, groups, houses = [], [], []
    for p, lender in enumerate(world["platforms"]):
        for name in sorted({h["group"] for h in lender["holders"]}):
            mine = [h for h in lender["holders"] if h["group"] == name]
            groups.append((sum(h["amount"] for h in mine), len(claims), len(claims) + len(mine), p))
            claims += [(h["amount"], h["planned"], p, h["notice"], h["free"], h["foreign"]) for h in mine]
        whole = sum(h["amount"] for h in lender["holders"])
        apart = sum(h["amount"] for h in lender["holders"] if plan["foreign"] and h["foreign"])
        free = sum(h["amount"] for h in lender["holders"] if h["free"])
        houses.append((whole, whole - apart, free, lender["segregated"], requests.OPEN if lender["gate"] is None else lender["gate"]))
    nodes, clauses, triggers = _funds(world)
    wave, foreign = plan["wave"], plan["foreign"]
    law = requests.Wave()
    if wave:
        law = requests.Wave(wave["from_day"], wave["base"], wave["feed"], wave["decay"], wave["part_bp"], wave["downgrade"], wave["unpaid"])
    return requests.Requests(
        True, _rows(requests.CLAIM, claims), _rows(requests.GROUP, groups), _rows(requests.HOUSE, houses),
        _rows(requests.STEP, wave["loss"] if wave else []), nodes, clauses, triggers, plan["random_bp"],
        np.array([plan["start"], foreign["start"] if foreign else 0]), np.array([plan["over"], foreign["over"] if foreign else 1]),
        foreign["fall_bp"] if foreign else 0, plan["grade"], law)


def _funds(world: World) -> tuple[Any, Any, Any]:
    """Funding layers behind layers, and their clauses, deeper layers first."""
    nodes: list[tuple[int, ...]] = []
    found: list[tuple[int, int, dict[str, Any]]] = []
    layers = len(world["platforms"])
    for p, lender in enumerate(world["platforms"]):
        first, depth = len(nodes), []
        for k in lender["nodes"]:
            depth.append(0 if k["above"] < 0 else 1 + depth[k["above"]])
            found += [(-depth[-1], len(nodes), c) for c in k["clauses"]]
            nodes.append((k["above"] + first if k["above"] >= 0 else -1, layers + k["layer"], p, k["notice"], k["foreign"]))
        layers += len(lender["funding"])
    clauses, triggers = [], []
    for _, node, clause in sorted(found, key=lambda row: row[0]):
        clauses.append((clause["own"], node, len(triggers), len(triggers) + len(clause["triggers"])))
        triggers += [(MEASURES.index(measure), threshold) for measure, threshold in clause["triggers"]]
    # OWN_FUNDS_OF_LOANS stands before COVERAGE in the kernel, too.
    assert (requests.OWN_FUNDS_OF_LOANS, requests.COVERAGE, requests.FOREIGN) == (3, 4, 5)
    return _rows(requests.NODE, nodes), _rows(requests.CLAUSE, clauses), _rows(requests.TRIGGER, triggers)


def _rows(kind: Any, rows: Any) -> Any:
    out = requests.rows_of(kind, len(rows))
    for at, row in enumerate(rows):
        out[at] = tuple(row)
    return out


def _terms(world: World, instrument: Any) -> layout.Terms:
    terms = world["terms"]
    highest = max((int(c) for c in instrument["cost_bp"]), default=0)
    return layout.Terms(
        calendar=_calendar(world),
        answer_bp=np.array(terms["answer_bp"], np.int64),
        mood_bp=terms["mood_bp"],
        grace_days=terms["grace_days"],
        impact=liquidity.Impact(
            IMPACTS[terms["impact"]], float(terms["impact_coefficient"]), float(terms["impact_floor"]), float(terms["impact_fraction"]),
            terms["permanent_bp"], terms["decay_ppb"]),
        cost_share_bp=highest + terms["expected_impact_bp"],
        selling_cost_bp=highest,
        rounds_max=terms["rounds_max"],
        pool_haircut_bp=terms["pool_haircut_bp"],
        payment_grace_days=terms["payment_grace_days"],
        call_all_after_failure=terms["run_off"] == "called",
        buyers_bp=terms["buyers_bp"],
        exhaustion_bp=terms["exhaustion_bp"],
        breaker_bp=terms["breaker_bp"],
        batches=terms["batches"],
        minimum_sale=terms["minimum_sale"],
        displace=terms["displace"],
        plan=_plan(world),
        exchange=_exchange(world),
        watch_pct=world.get("watch_pct", 3),
    )


def _exchange(world: World) -> Any:
    """Rates of exchange as rows of day, layer and rise, by day."""
    first = [len(world["platforms"])]
    for lender in world["platforms"]:
        first.append(first[-1] + len(lender["funding"]))
    rows = [(m["day"], first[m["platform"]] + m["layer"], m["rise_bp"]) for m in world.get("exchange", [])]
    return np.array(rows, np.int64).reshape(len(rows), 3)


def _plan(world: World) -> layout.Plan:
    if "plan" not in world:
        return layout.Plan()
    plan, days = world["plan"], len(world["fundamental"])
    rule = layout.records(layout.RULE, len(plan["rules"]))
    for k, one in enumerate(plan["rules"]):
        rule[k]["when"], rule[k]["act"] = READINGS[one["when"]], ACTIONS[one["do"]]
        rule[k]["platform"] = responses.EVERY if one["platform"] is None else one["platform"]
        for name in ("value", "over_days", "amount", "target_ppm", "margin_bp", "basis_bp", "fee_bp", "carry_bp", "strike_bp",
                     "price_ppb", "for_days"):
            rule[k][name] = one[name]
    shut = [np.array([int(day in plan[key]) for day in range(days)], np.uint8) for key in ("no_calls", "no_sales")]
    return layout.Plan(True, shut[0], shut[1], plan["compensation_bp"], rule, responses.MAINTENANCE in rule["when"])


def state_of(world: World, facts: layout.Facts, fundamental: Any, closed: Any) -> layout.State:
    """A state that is ready for one path."""
    state = ready(world, facts, layout.new_state(facts))
    screen.guess_bounds(fundamental, closed, facts, state.bound, state.lowest, 0)
    return state


def run_kernel(world: World) -> dict[str, Any]:
    """One path of the kernel in the shape of the twin's result."""
    facts = facts_of(world)
    fundamental, factor, closed = paths_of(world)
    state, story = state_of(world, facts, fundamental, closed), layout.new_story(facts)
    cascade.run_path(world["path"], world["seed"], fundamental, factor, closed, facts, state, story)
    return told(world, facts, state, story)


def run_in_turn(*weathers: World) -> list[dict[str, Any]]:
    """Paths of worlds that differ in their weather alone, one after the other in one state; what the kernel tells of each."""
    facts = facts_of(weathers[0])
    state, story, found = layout.new_state(facts), layout.new_story(facts), []
    for world in weathers:
        fundamental, factor, closed = paths_of(world)
        ready(world, facts, state)
        screen.guess_bounds(fundamental, closed, facts, state.bound, state.lowest, 0)
        cascade.run_path(world["path"], world["seed"], fundamental, factor, closed, facts, state, story)
        found.append(told(world, facts, state, story))
    return found


def told(world: World, facts: layout.Facts, state: layout.State, story: layout.Story) -> dict[str, Any]:
    """What the kernel tells of a path in the shape of the twin's result."""
    days = range(1, len(world["fundamental"]))
    return {
        "platforms": [_row(story.outcome[p]) for p in range(len(world["platforms"]))],
        "path": {
            "rounds_most": int(story.rounds[0]), "rounds_limit_days": int(story.rounds[1]), "breaker_days": int(story.rounds[2]),
        },
        "days": [[_row(story.days[t, p]) for p in range(len(world["platforms"]))] for t in days],
        "accounts": [_account(world, n, facts, state) for n in range(len(world["accounts"]))],
        "instruments": [
            [{k: v for k, v in _row(story.tape[t, i]).items() if k != "displaced_li"} for i in range(len(world["instruments"]))]
            for t in days
        ],
    }


def _account(world: World, n: int, facts: layout.Facts, state: layout.State) -> dict[str, Any]:
    """An account at the end; one that never became live has neither sold nor been called."""
    j = int(state.slot[n])
    if j < 0:
        a = world["accounts"][n]
        rest = {"called": 0, "forced": 0, "deficit_li": 0, "sold_li": 0, "cash_li": a["cash"], "debt_li": int(state.last_debt[n])}
        return rest | {"shares": [q["shares"] for q in a["positions"]]}
    now, tally, fact = state.account[j], state.tally[j], state.fact[j]
    return {
        "called": int(now.calls), "forced": int(now.forced_day > 0), "deficit_li": int(tally.deficit), "sold_li": int(tally.sold),
        "cash_li": int(now.cash), "debt_li": int(now.debt),
        "shares": [int(x) for x in state.position["shares"][int(fact.first): int(fact.last)]],
    }


def _row(record: Any) -> dict[str, int]:
    return {name: int(record[name]) for name in record.dtype.names}


def hold_kernel(world: World) -> list[int]:
    """The loss of each platform when holding, by the kernel."""
    facts = facts_of(world)
    loss = np.zeros(len(world["platforms"]), np.int64)
    fundamental, _, closed = paths_of(world)
    state = state_of(world, facts, fundamental, closed)
    screen.list_accounts(facts, state)
    cascade.hold(fundamental, facts, state, loss)
    return [int(x) for x in loss]
