"""Who asks for his money on a path: drawn clients, a wave that feeds on itself, funders with clauses (M-130 to M-140).

One call a day, before payments. Everything is in integers; what is looked at is yesterday's evening, so the order of the steps
inside a day does not matter, and a book that is cut by accounts needs no message for it: every part asks alike.
"""

from __future__ import annotations

import numpy as np

from stresslab.kernels import kernel
from stresslab.kernels.draws import STREAM_REQUESTS, words
from stresslab.kernels.layout import I64, U64, Facts, Record, Records, Story
from stresslab.kernels.liquidity import share_up
from stresslab.kernels.requests import (
    COVERAGE,
    FOREIGN,
    MARKET_FALL,
    OWN_FUNDS,
    PPB,
    RATING,
    Requests,
    RequestState,
)

#: The rule of (M-43): own funds below so much of the margin call, so many grades down, and the lowest grade.
DOWNGRADE_BP, NOTCHES, LOWEST_GRADE = 1_500, 2, 3


@kernel
def begin_requests(path: int, seed: int, f: Requests, now: RequestState, outcome: Records) -> None:
    """Forget the path before, and draw who asks where the plan is random (M-130)."""
    for p in range(f.house.size):
        o = outcome[p]
        o.wave_asked_li = o.wave_groups = o.gated_end_li = o.foreign_asked_li = 0
        o.funding_recalled_li = o.funding_due_li = o.funding_returned_li = 0
    if not f.moves:
        return
    for day in range(now.due.shape[0]):
        for p in range(f.house.size):
            due, queue = now.due[day, p], now.queue[day, p]
            due.own = due.segregated = queue.free = queue.other = 0
        for k in range(now.owed.size):
            now.coming[day, k] = 0
    for p in range(f.house.size):
        wave = now.wave[p]
        wave.excited = wave.rate = wave.fed = wave.seen = wave.free = wave.other = wave.downgraded = 0
        wave.grade = f.grade
    for c in range(f.claim.size):
        now.planned[c] = f.claim[c].planned
    now.gone[:] = 0
    now.fired[:] = 0
    now.owed[:] = 0
    now.foreign_day[0] = 0
    for k in range(f.node.size):
        node = now.node[k]
        node.taken = node.own = node.behind = 0
    if f.random_bp > 0:
        draw_groups(path, seed, f, now)
    for c in range(f.claim.size):
        now.left[c] = f.claim[c].amount - now.planned[c]


@kernel
def draw_groups(path: int, seed: int, f: Requests, now: RequestState) -> None:
    """Let groups ask for all they have in a drawn order, until the share of the platform is met (M-130)."""
    low = np.uint64(0xFFFFFFFF)
    first = 0
    while first < f.group.size:
        p = f.group[first].platform
        last = first
        while last < f.group.size and f.group[last].platform == p:
            # The draw in the upper half, the group in the lower: equal draws are settled by rank.
            word = np.uint64(words(seed, path, 0, STREAM_REQUESTS, last)[0])
            now.key[last] = (word << np.uint64(32)) | np.uint64(last)
            last += 1
        sort_keys(now.key, first, last)
        home = f.house[p].home
        left = home // 10_000 * f.random_bp + home % 10_000 * f.random_bp // 10_000
        for k in range(first, last):
            g = np.int64(now.key[k] & low)
            for c in range(f.group[g].first, f.group[g].last):
                if f.start[1] > 0 and f.claim[c].foreign == 1:
                    continue
                now.planned[c] = min(left, f.claim[c].amount)
                left -= now.planned[c]
        first = last


@kernel
def sort_keys(key: U64, first: int, last: int) -> None:
    """Sort rows first to last − 1 in place: a heap, as no memory may be taken."""
    count = last - first
    for start in range(count // 2 - 1, -1, -1):
        sift(key, first, start, count)
    for end in range(count - 1, 0, -1):
        key[first], key[first + end] = key[first + end], key[first]
        sift(key, first, 0, end)


@kernel
def sift(key: U64, first: int, at: int, count: int) -> None:
    """Let one key of a heap sink to its place."""
    while 2 * at + 1 < count:
        child = 2 * at + 1
        if child + 1 < count and key[first + child + 1] > key[first + child]:
            child += 1
        if key[first + child] <= key[first + at]:
            return
        key[first + child], key[first + at] = key[first + at], key[first + child]
        at = child


@kernel
def due_day(calendar: I64, day: int, notice: int) -> int:
    """The first trading day on which a notice given on a day has run out (M-4, M-16); it may lie after the run."""
    return max(day, -((252 - 504 * (calendar[day] + notice)) // 730))  # type: ignore[no-any-return]


@kernel
def ask(day: int, path: int, seed: int, fall_bp: int, facts: Facts, now: RequestState, lender: Records, story: Story) -> None:
    """Everything that is asked for on a day, and what falls due on it (M-130 to M-140).

    ``fall_bp`` is yesterday's fall of the market factor; ``lender`` are the platforms' states.
    """
    f, calendar, outcome, days = facts.requests, facts.terms.calendar, story.outcome, story.days
    if not f.moves:
        for p in range(f.house.size):
            outcome[p].foreign_asked_li = facts.due[day, p].foreign
        return
    for p in range(f.house.size):
        hear(day, p, lender[p].line, f, now, outcome, days)
    if f.start[1] > 0 and now.foreign_day[0] == 0 and day >= f.start[1] and fall_bp >= f.foreign_fall_bp:
        now.foreign_day[0] = day
    ask_as_planned(day, calendar, f, now, outcome)
    if f.wave.from_day > 0:
        ask_in_wave(day, path, seed, calendar, f, now, outcome)
    for c in range(f.clause.size):
        if now.fired[c] == 0 and fires(day, fall_bp, c, f, now, facts.platform, outcome, days):
            now.fired[c] = 1
            take_back(day, c, calendar, facts.terms.exchange, f, now, outcome)
    for p in range(f.house.size):
        fall_due(day, p, f, now, outcome, days)


@kernel
def hear(day: int, p: int, line: int, f: Requests, now: RequestState, outcome: Records,
         days: Records) -> None:
    """What yesterday's news make of the wave and of the grade of a platform (M-132, M-133, M-140)."""
    wave, o = now.wave[p], outcome[p]
    news = 0
    if day > 1:
        yesterday = days[day - 1, p]
        own, call = yesterday.own_funds_li, yesterday.margin_call_li
        lost = o.own_funds_before_li - own
        for k in range(f.step.size):
            bit = np.int64(1) << k
            if wave.seen & bit == 0 and lost * 10_000 >= f.step[k].lost_bp * o.own_funds_before_li:
                wave.seen |= bit
                news += f.step[k].jump_ppb
        gap = (call * DOWNGRADE_BP + 9_999) // 10_000 - own
        if wave.downgraded == 0 and own * 10_000 < call * DOWNGRADE_BP and line < gap:
            wave.downgraded = 1
            wave.grade = min(LOWEST_GRADE, wave.grade + NOTCHES)
            news += f.wave.downgrade_ppb
        if yesterday.unpaid_li > 0:
            news += f.wave.unpaid_ppb
    whole = f.house[p].claims
    share = PPB - share_up(whole - min(whole, wave.fed), PPB, whole) if whole > 0 else 0
    wave.fed = 0
    wave.excited = min(PPB, wave.excited * f.wave.decay_ppb // PPB + f.wave.feed_ppb * share // PPB + news)
    wave.rate = 0
    if f.wave.from_day > 0 and day >= f.wave.from_day and o.failure_day == 0:
        wave.rate = min(PPB, f.wave.base_ppb + wave.excited)
    days[day, p].wave_ppm = wave.rate // 1_000


@kernel
def put(day: int, c: int, amount: int, calendar: I64, f: Requests, now: RequestState, outcome: Records) -> None:
    """A request of a claim, to fall due after its notice."""
    claim = f.claim[c]
    at = due_day(calendar, day, claim.notice)
    if at < calendar.size:
        queue = now.queue[at, claim.platform]
        if claim.free == 1:
            queue.free += amount
        else:
            queue.other += amount
    if claim.foreign == 1:
        outcome[claim.platform].foreign_asked_li += amount


@kernel
def ask_as_planned(day: int, calendar: I64, f: Requests, now: RequestState, outcome: Records) -> None:
    """The day's part of what the plan asks of home claims, and of foreign ones that have their own rule (M-16, M-139)."""
    home, foreign = day - f.start[0] + 1, day - now.foreign_day[0] + 1
    if now.foreign_day[0] == 0:
        foreign = 0
    if (home < 1 or home > f.over[0]) and (foreign < 1 or foreign > f.over[1]):
        return
    for c in range(f.claim.size):
        claim = f.claim[c]
        own_rule = f.start[1] > 0 and claim.foreign == 1
        j, over = (foreign, f.over[1]) if own_rule else (home, f.over[0])
        if now.planned[c] == 0 or j < 1 or j > over:
            continue
        amount = now.planned[c] * j // over - now.planned[c] * (j - 1) // over
        now.wave[claim.platform].fed += amount
        put(day, c, amount, calendar, f, now, outcome)


@kernel
def ask_in_wave(day: int, path: int, seed: int, calendar: I64, f: Requests, now: RequestState,
                outcome: Records) -> None:
    """Each group that has money left asks with the probability of the day (M-134)."""
    two32 = np.int64(1) << 32
    for g in range(f.group.size):
        group = f.group[g]
        rate = now.wave[group.platform].rate
        if rate == 0:
            continue
        left = 0
        for c in range(group.first, group.last):
            left += now.left[c]
        if left == 0 or np.int64(words(seed, path, day, STREAM_REQUESTS, g)[0]) * PPB >= rate * two32:
            continue
        o = outcome[group.platform]
        for c in range(group.first, group.last):
            part = now.left[c] // 10_000 * f.wave.part_bp + (now.left[c] % 10_000 * f.wave.part_bp + 9_999) // 10_000
            now.left[c] -= part
            o.wave_asked_li += part
            put(day, c, part, calendar, f, now, outcome)
        now.wave[group.platform].fed += group.amount
        o.wave_groups += 1 - now.gone[g]
        now.gone[g] = 1


@kernel
def fires(day: int, fall_bp: int, c: int, f: Requests, now: RequestState, platform: Records, outcome: Records,
          days: Records) -> bool:
    """Whether any trigger of a clause is met by yesterday's evening (M-102, M-137); a failed platform's funders wait."""
    p = f.node[f.clause[c].node].platform
    o = outcome[p]
    if o.failure_day > 0:
        return False
    own, lent, coverage = o.own_funds_before_li, platform[p].loans, 1_000_000
    if day > 1:
        own, lent, coverage = days[day - 1, p].own_funds_li, days[day - 1, p].loans_li, days[day - 1, p].margin_coverage_ppm
    for k in range(f.clause[c].first, f.clause[c].last):
        measure, threshold = f.trigger[k].measure, f.trigger[k].threshold
        if measure == MARKET_FALL:
            met = fall_bp >= threshold
        elif measure == RATING:
            met = now.wave[p].grade > threshold
        elif measure == OWN_FUNDS:
            met = own < threshold
        elif measure == COVERAGE:
            met = coverage < threshold * 100
        elif measure == FOREIGN:
            met = now.foreign_day[0] > 0
        else:
            met = own * 10_000 < threshold * lent
        if met:
            return True
    return False


@kernel
def take_back(day: int, c: int, calendar: I64, exchange: I64, f: Requests, now: RequestState, outcome: Records) -> None:
    """Take what a clause takes, and carry it through the layers in front to the platform (M-137)."""
    k = np.int64(f.clause[c].node)
    now.node[k].own = max(now.node[k].own, f.clause[c].own)
    notice = 0
    first = True
    while True:
        node, state = f.node[k], now.node[k]
        more = max(state.own, state.behind) - state.taken
        if more <= 0:
            return
        state.taken += more
        notice = max(notice, node.notice)
        o = outcome[node.platform]
        if first and node.foreign == 1:
            o.foreign_asked_li += more
        first = False
        if node.above < 0:
            more = at_rates(day, node.layer, more, exchange)
            o.funding_recalled_li += more
            at = due_day(calendar, day, notice)
            if at < calendar.size:
                now.coming[at, node.layer] += more
            return
        k = node.above
        now.node[k].behind += more


@kernel
def at_rates(day: int, layer: int, amount: int, exchange: I64) -> int:
    """An amount of a funding layer, in yuan of the book's date, in yuan of a day (M-240)."""
    for e in range(exchange.shape[0]):
        if exchange[e, 1] == layer and exchange[e, 0] <= day:
            amount += amount * exchange[e, 2] // 10_000
    return amount


@kernel
def make_dearer(day: int, layer: int, rise_bp: int, now: RequestState, o: Record) -> None:
    """What is recalled of a layer and not yet returned is more in yuan, due today or on a later day of the run (M-240)."""
    more = now.owed[layer] * rise_bp // 10_000
    now.owed[layer] += more
    o.funding_due_li += more
    o.funding_recalled_li += more
    for at in range(day, now.coming.shape[0]):
        more = now.coming[at, layer] * rise_bp // 10_000
        now.coming[at, layer] += more
        o.funding_recalled_li += more


@kernel
def fall_due(day: int, p: int, f: Requests, now: RequestState, outcome: Records,
             days: Records) -> None:
    """What is due to clients by today, behind the gate if there is one (M-16, M-131)."""
    wave, house, queue, due = now.wave[p], f.house[p], now.queue[day, p], now.due[day, p]
    wave.free += queue.free
    wave.other += queue.other
    kept = wave.free - share_up(wave.free, house.free - house.segregated, house.free) if house.free > 0 else 0
    asked = wave.other + wave.free - kept
    due.own, due.segregated = min(asked, now.due[day - 1, p].own + house.gate), kept
    days[day, p].gated_li = outcome[p].gated_end_li = asked - due.own


@kernel
def owed_to_funders(day: int, layer: Records, now: RequestState, outcome: Records) -> None:
    """Let recalled money fall due whose notice has run out (M-138)."""
    for k in range(now.owed.size):
        more = now.coming[day, k]
        if more > 0:
            now.owed[k] += more
            outcome[layer[k].platform].funding_due_li += more


@kernel
def give_back(p: int, amount: int, layer: Records, amounts: Records, now: RequestState) -> None:
    """Take what a platform returns off its layers, in their order (M-138); ``amounts`` are the layers' states."""
    for k in range(now.owed.size):
        if layer[k].platform == p and now.owed[k] > 0:
            part = min(amount, now.owed[k])
            now.owed[k] -= part
            amounts[k].amount -= part
            amount -= part
