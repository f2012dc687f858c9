"""From a run to the rows of a form: numbers as exact decimal text, axes as the taxonomy names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

import pandas as pd

from stresslab.estimate import TOTAL
from stresslab.faults import Fault, InputError
from stresslab.glossary import INVESTOR_TYPES, LI_PER_YUAN, SOURCES
from stresslab.record import digest_of
from stresslab.sampling import Sampling, groups_of
from stresslab.statistics import mean as average
from stresslab.statistics import probability
from stresslab.submission import axes as a
from stresslab.submission import concepts as c
from stresslab.submission.entity import Entity, Triple
from stresslab.submission.package import Rows, escaped
from stresslab.submission.ready import Filed, closing, on_platform, opening
from stresslab.submission.taxonomy import enumeration

_SEVERITIES = ("mild", "moderate", "severe")


# --- numbers as text ----------------------------------------------------------------------------


def money(li: int) -> str:
    """An amount in 厘 as yuan with three decimals, exactly."""
    sign, digits = "-" if li < 0 else "", abs(int(li))
    return f"{sign}{digits // 1000}.{digits % 1000:03d}"


def nearest_li(value: Fraction) -> int:
    """A fraction of 厘 rounded to the nearest one, halves to even."""
    return round(value)


def decimal(value: Decimal | float | Fraction, digits: int) -> str:
    """A number with a fixed count of decimals, rounded half to even from its exact value."""
    if isinstance(value, Fraction):
        shifted = Decimal(round(value * 10**digits))
    else:
        shifted = (Decimal(value) * 10**digits).quantize(Decimal(1), ROUND_HALF_EVEN)
    text = format(shifted.scaleb(-digits), "f")
    return text[1:] if text.startswith("-") and not shifted else text


def _estimated(value: Any, unit: str) -> str | None:
    """A figure of the estimates as a cell: yuan, shares as decimals, numbers; None where it is null."""
    if value is None or pd.isna(value):
        return None
    if unit == "yuan":
        return decimal(float(value), a.DECIMALS["money"])
    if unit == "%":
        # The nearest decimal of the percentage is what the run wrote; its hundredth is exact.
        return decimal(Decimal(repr(float(value))) / 100, a.DECIMALS["ratio"])
    return decimal(Decimal(repr(float(value))), a.DECIMALS["number"])


def _flag(value: Any) -> str:
    return "true" if value else "false"


# --- what both forms begin with -----------------------------------------------------------------


def tables_of(form: str, filed: Filed, entity: Entity | None) -> dict[str, Rows]:
    """The rows of every table of a form; a table without rows is not reported."""
    made: dict[str, Rows] = {"filing": [_filing(form, filed, entity)], "platforms": _platforms(filed)}
    made |= _stress(filed, entity) if form == "stress" else _periodic(filed)
    made |= {"narratives": _narratives(filed, entity), "events": _events(entity), "rate_changes": _rate_changes(entity)}
    indicators = c.FORMS[form].table("indicators")
    axis = indicators.axes[0]
    made["indicators"] = [
        {"table": axis.qname(t.name), "Reported": _flag(made.get(t.name))}
        for t in c.FORMS[form].tables
        if t.name != "indicators"
    ]
    return made


def _filing(form: str, filed: Filed, entity: Entity | None) -> dict[str, str]:
    record, book, scale = filed.record, filed.record["book"], filed.rating["scale"]
    row = {
        "FormName": form,
        "Draft": _flag(entity is None),
        "ResubmissionNumber": str(entity.resubmission if entity else 0),
        "BookTitle": escaped(book["title"].strip() or "-"),
        "BookSynthetic": _flag(book["synthetic"]),
        "BookDigest": book["digest"],
        "RunDigest": filed.digest,
        "SoftwareVersion": record["stresslab"],
        "KernelDigest": record["kernels"],
        "Seed": str(record["seed"]),
        "Paths": str(record["paths"]),
        "Sampling": str(record.get("sampling", Sampling.PLAIN)),
        "ScaleTitle": escaped(scale["title"].strip()),
        "ScaleProvisional": _flag(scale["provisional"]),
    }
    if entity is None:
        return row
    signed, contact = entity.attestation, entity.contact
    row |= {
        "EntityName": escaped(entity.name),
        "AttestationName": escaped(signed.name),
        "AttestationPosition": escaped(signed.position),
        "AttestationDate": signed.date.isoformat(),
        "AttestationGiven": "true",
        "ContactName": escaped(contact.name),
        "ContactPhone": escaped(contact.phone),
        "ContactMail": escaped(contact.mail),
    }
    return row | ({"ResubmissionReason": escaped(entity.resubmission_reason)} if entity.resubmission_reason else {})


def _platforms(filed: Filed) -> Rows:
    held = filed.record["platforms"]
    amounts = {
        "OwnCapital": "own_capital_li",
        "Reserve": "reserve_li",
        "Cash": "cash_li",
        "LiquidPool": "liquid_pool_li",
        "OtherAssets": "other_assets_li",
        "Segregated": "segregated_li",
        "BankLine": "bank_line_li",
        "Loans": "loans_li",
        "Collateral": "collateral_li",
        "Funding": "funding_li",
        "Claims": "claims_li",
    }
    rows: Rows = []
    for name, label, parts in _each(held):
        row = {"platform": name, "PlatformName": escaped(label)}
        row |= {concept: money(sum(p[key] for p in parts)) for concept, key in amounts.items()}
        row["ClaimsOnPlatform"] = money(sum(on_platform(p) for p in parts))
        assets, owed = (sum(side) for side in zip(*(opening(p) for p in parts), strict=True))
        row |= {
            "AssetsStart": money(assets),
            "LiabilitiesStart": money(owed),
            "Accounts": str(sum(p["accounts"] for p in parts)),
            "AccountsWithDebt": str(sum(p["accounts_with_debt"] for p in parts)),
        }
        rows.append(row)
    return rows


def _each(held: list[dict[str, Any]]) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Every platform alone, then all of them under the name of the total."""
    yield from ((p["platform_id"], str(p["name"]).strip() or p["platform_id"], [p]) for p in held)
    yield TOTAL, "All platforms 全部平台", held


def _narratives(filed: Filed, entity: Entity | None) -> Rows:
    record, market = filed.record, filed.record["market"]
    said = {(n.topic, n.language): n.text for n in (entity.narratives if entity else ())}
    # What was computed, and how, can be said without the entity; all judgement is the entity's own.
    facts = {
        "paths": record["paths"],
        "seed": record["seed"],
        "version": record["stresslab"],
        "market": market["title"],
        "model": market["model"],
    }
    said.setdefault(
        ("methodology", "en"),
        (
            "Account by account on {paths} paths of each scenario (seed {seed}), stresslab {version}; market: {market}, model {model}. "
            "Figures of a scenario hold given that scenario; each has its sampling error. Formulas: the numbers in the taxonomy."
        ).format(**facts),
    )
    said.setdefault(
        ("methodology", "zh"),
        (
            "逐账户模拟，每情景{paths}条路径（随机种子{seed}），stresslab {version}；市场：{market}，模型{model}。"
            "各情景指标均以该情景发生为条件，并附抽样误差；公式编号见分类标准。"
        ).format(**facts),
    )
    order = {m.value: k for k, m in enumerate(a.TOPIC.members)}
    return [
        {"topic": a.TOPIC.qname(topic), "language": language, "Narrative": escaped(text)}
        for (topic, language), text in sorted(said.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    ]


def _events(entity: Entity | None) -> Rows:
    return [
        {
            "entry": str(k),
            "EventKind": e.kind,
            "EventDate": e.date.isoformat(),
            "EventCount": str(e.count),
            "EventDescription": escaped(e.description),
            "EventResolved": _flag(e.resolved),
        }
        for k, e in enumerate(entity.events if entity else (), 1)
    ]


def _rate_changes(entity: Entity | None) -> Rows:
    digits = a.DECIMALS["ratio"]
    return [
        {
            "entry": str(k),
            "ChangeDate": r.date.isoformat(),
            "ChangeSubject": escaped(r.subject),
            "RateBefore": decimal(r.before_pct / 100, digits),
            "RateAfter": decimal(r.after_pct / 100, digits),
            "ChangeNotice": str(r.notice_days),
            "ChangeReason": escaped(r.reason),
        }
        for k, r in enumerate(entity.rate_changes if entity else (), 1)
    ]


# --- stress -------------------------------------------------------------------------------------


def _stress(filed: Filed, entity: Entity | None) -> dict[str, Rows]:
    figures, errors = _figures(filed)
    chances, chance_errors = _chances(filed)
    return {
        "scenarios": _scenarios(filed),
        "figures": figures,
        "figure_errors": errors,
        "probabilities": chances,
        "probability_errors": chance_errors,
        "layers": _layers(filed),
        "ratings": _ratings(filed),
        "triple": _triple(filed, entity),
    }


def _scenarios(filed: Filed) -> Rows:
    rows: Rows = []
    for s in filed.record["scenarios"]:
        crash, rates, redemption = s.get("market", {}).get("crash"), s.get("rates"), s.get("redemption")
        title = s.get("title") or s.get("title_zh") or s["id"]
        row = {
            "scenario": s["id"],
            "ScenarioTitle": escaped(title),
            "ScenarioTitleChinese": escaped(s.get("title_zh") or title),
            "ScenarioDays": str(s["days"]),
            "ScenarioDigest": digest_of(s),
        }
        if s.get("purpose"):
            row["ScenarioPurpose"] = escaped(s["purpose"].strip())
        if crash:
            row |= {"CrashDepth": _hundredth(crash["depth_pct"]), "CrashTroughDay": str(crash["trough_day"])}
        if rates and rates.get("shock_pct") is not None:
            row["RateShock"] = _hundredth(rates["shock_pct"])
        if redemption:
            row["RedemptionShare"] = _hundredth(redemption["share_pct"])
        rows.append(row)
    return rows


def _hundredth(percent: float) -> str:
    return decimal(Decimal(repr(float(percent))) / 100, a.DECIMALS["ratio"])


def _figures(filed: Filed) -> tuple[Rows, Rows]:
    wanted = {x.name for x in c.FIGURES_TABLE.concepts}
    statistics = {m.value for m in c.FIGURES_TABLE.axes[2].members}
    return _spread(
        filed,
        lambda measure, statistic: a.camel(measure) if statistic in statistics and a.camel(measure) in wanted else None,
        lambda scenario, platform, statistic: {
            "scenario": scenario,
            "platform": platform,
            "statistic": a.STATISTIC.qname(statistic),
        },
    )


def _chances(filed: Filed) -> tuple[Rows, Rows]:
    def named(measure: str, statistic: str) -> str | None:
        if statistic == "probability":
            return f"Probability{a.camel(measure)}"
        return a.camel(measure) if (measure, statistic) == ("displaced_share", "ratio") else None

    return _spread(filed, named, lambda scenario, platform, _: {"scenario": scenario, "platform": platform})


def _spread(
    filed: Filed, named: Callable[[str, str], str | None], key: Callable[[str, str, str], dict[str, str]]
) -> tuple[Rows, Rows]:
    """Figures, and their errors and intervals, in the order of the estimates."""
    values: dict[tuple[str, ...], dict[str, str]] = {}
    errors: dict[tuple[str, ...], dict[str, str]] = {}
    whole = filed.estimates[filed.estimates["day"] == 0]
    columns = ["scenario", "platform_id", "measure", "statistic", "unit", "value", "error", "low", "high"]
    for scenario, platform, measure, statistic, unit, value, *rest in whole[columns].itertuples(index=False, name=None):
        concept = named(measure, statistic)
        if concept is None:
            continue
        row = key(scenario, platform, statistic)
        place = tuple(row.values())
        cell = _estimated(value, unit)
        if cell is not None:
            values.setdefault(place, row)[concept] = cell
        for part, number in zip(("error", "low", "high"), rest, strict=True):
            cell = _estimated(number, unit)
            if cell is not None:
                errors.setdefault((*place, part), {**key(scenario, platform, statistic), "part": a.PART.qname(part)})[
                    concept
                ] = cell
    return list(values.values()), list(errors.values())


def _groups(filed: Filed) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The paths of every scenario and platform in the order of the record, then the sum of platforms path by path."""
    assets, owed = closing(filed)
    frame = filed.outcomes.assign(
        assets=assets,
        owed=owed,
        other=filed.outcomes["platform_id"].map(
            {p["platform_id"]: p["other_assets_li"] for p in filed.record["platforms"]}
        ),
    )
    numbers = [n for n in frame if str(n).endswith("_li")] + ["assets", "owed", "other"]
    for scenario in filed.record["scenarios"]:
        mine = frame[frame["scenario"] == scenario["id"]]
        for platform in filed.record["platforms"]:
            yield (
                scenario["id"],
                platform["platform_id"],
                mine[mine["platform_id"] == platform["platform_id"]].sort_values("path"),
            )
        yield scenario["id"], TOTAL, mine.groupby("path", as_index=False)[numbers].sum()


def worst(paths: pd.DataFrame) -> int:
    """The place of the path with the largest deficit, of several the lowest (M-200); rows are sorted by path."""
    return int(paths["deficit_li"].to_numpy().argmax())


def _layers(filed: Filed) -> Rows:
    amounts: dict[str, Callable[[pd.DataFrame], Any]] = {"LayeredDeficit": lambda o: o["deficit_li"]}
    for layer in c.ABSORBED:
        amounts[f"BorneBy{a.camel(layer)}"] = lambda o, of=layer: o[f"absorbed_by_{of}_li"]  # type: ignore[misc]
    for concept, column in (
        ("LoansEnd", "loans_end_li"),
        ("InTransitEnd", "in_transit_end_li"),
        ("CashEnd", "cash_end_li"),
        ("PoolEnd", "pool_end_li"),
        ("OtherAssetsEnd", "other"),
        ("AssetsEnd", "assets"),
    ):
        amounts[concept] = lambda o, of=column: o[of]  # type: ignore[misc]
    for layer in ("junior", "senior", "claims"):
        amounts[f"{a.camel(layer)}End"] = lambda o, of=layer: o[f"{of}_end_li"] - o[f"absorbed_by_{of}_li"]  # type: ignore[misc]
    for concept, column in (
        ("ReserveEnd", "reserve_end_li"),
        ("OwnCapitalEnd", "own_capital_end_li"),
        ("LiabilitiesEnd", "owed"),
    ):
        amounts[concept] = lambda o, of=column: o[of]  # type: ignore[misc]
    rows: Rows = []
    for scenario, platform, paths in _groups(filed):
        at, n = worst(paths), len(paths)
        series = {concept: read(paths).to_numpy() for concept, read in amounts.items()}
        for statistic in ("mean", "worst_path"):
            row = {"scenario": scenario, "platform": platform, "statistic": a.STATISTIC.qname(statistic)}
            for concept, held in series.items():
                row[concept] = money(
                    int(held[at]) if statistic == "worst_path" else nearest_li(Fraction(sum(held.tolist()), n))
                )
            rows.append(row)
    return rows


def _estimate(
    filed: Filed, scenario: str, platform: str, measure: str, statistic: str, of: str = "value"
) -> str | None:
    e = filed.estimates
    hit = e[
        (e["scenario"] == scenario)
        & (e["platform_id"] == platform)
        & (e["measure"] == measure)
        & (e["statistic"] == statistic)
        & (e["day"] == 0)
    ]
    return None if hit.empty else _estimated(hit[of].iloc[0], str(hit["unit"].iloc[0]))


def _graded(filed: Filed) -> dict[tuple[str, str], dict[str, Any]]:
    return {(s["scenario"], p["platform_id"]): s for p in filed.rating["platforms"] for s in p["scenarios"]}


def _ratings(filed: Filed) -> Rows:
    graded, rows = _graded(filed), []
    for scenario in filed.record["scenarios"]:
        for platform in filed.record["platforms"]:
            at = (scenario["id"], platform["platform_id"])
            one = graded.get(at, {})
            row = {"scenario": at[0], "platform": at[1], "Downgraded": _flag(one.get("downgraded"))}
            if one.get("grade_after"):
                row["GradeAfter"] = enumeration("grade", one["grade_after"])
            if one.get("score_after") is not None:
                row["ScoreAfter"] = decimal(Decimal(one["score_after"]), a.DECIMALS["number"])
            first = _estimate(filed, *at, "first_unpaid_day", "earliest")
            rows.append(row | ({"FirstUnpaidDay": first} if first is not None else {}))
    return rows


def _triple(filed: Filed, entity: Entity | None) -> Rows:
    known = [s["id"] for s in filed.record["scenarios"]]
    chosen = (entity.triple if entity else Triple()).model_dump()
    absent = [f"{severity} = {chosen[severity]}" for severity in _SEVERITIES if chosen[severity] not in known]
    if entity is not None and entity.triple != Triple() and absent:
        rule, way_out = "the run has no such scenario", "name scenarios of the run: " + ", ".join(known)
        raise InputError([Fault("entity", rule, way_out, None, "triple", text) for text in absent])
    if absent:
        return []
    graded, rows = _graded(filed), []
    groups = {(s, p): paths for s, p, paths in _groups(filed)}
    for severity in _SEVERITIES:
        for name, _, parts in _each(filed.record["platforms"]):
            at = (chosen[severity], name)
            paths, loans = groups[at], sum(p["loans_li"] for p in parts)
            after = (paths["reserve_end_li"] + paths["own_capital_end_li"]).to_numpy()
            before, mean = (
                sum(p["reserve_li"] + p["own_capital_li"] for p in parts),
                Fraction(sum(after.tolist()), len(after)),
            )
            row = {
                "severity": a.SEVERITY.qname(severity),
                "platform": name,
                "TripleScenario": at[0],
                "OwnFundsBefore": money(before),
                "OwnFundsAfter": money(nearest_li(mean)),
                "OwnFundsAfterWorst": money(int(after[worst(paths)])),
            }
            if loans:
                row |= {
                    "OwnFundsRatioBefore": decimal(Fraction(before, loans), 8),
                    "OwnFundsRatioAfter": decimal(mean / loans, 8),
                }
            wanted = (
                ("TripleDeficitMean", "deficit", "mean"),
                ("TripleDeficitHigh", "deficit", "q95"),
                ("TripleCoverage", "own_funds_coverage", "median"),
            )
            found: dict[str, str | None] = {
                "OwnFundsAfterError": _estimated(
                    average(after / LI_PER_YUAN, _independent(filed, paths["path"].to_numpy())).error, "yuan"
                )
            }
            for concept, measure, statistic in wanted:
                found[concept] = _estimate(filed, *at, measure, statistic)
                found[f"{concept}Error"] = _estimate(filed, *at, measure, statistic, "error")
            for concept, measure, column in (
                ("TripleFailure", "failure", "failure_day"),
                ("TripleUnpaid", "unpaid_redemption", "first_unpaid_day"),
            ):
                found[concept], found[f"{concept}Error"] = _chance(filed, at, measure, column)
            row |= {concept: text for concept, text in found.items() if text is not None}
            if graded.get(at, {}).get("grade_after"):
                row["TripleGrade"] = enumeration("grade", graded[at]["grade_after"])
            rows.append(row)
    return rows


def _independent(filed: Filed, paths: Any) -> Any:
    """Which group each path belongs to, where paths are independent between groups only (M-64)."""
    return groups_of(filed.record.get("sampling", Sampling.PLAIN), paths)


def _chance(filed: Filed, at: tuple[str, str], measure: str, column: str) -> tuple[str | None, str | None]:
    """The probability of an event and its error; of all platforms together it is one of any of them, counted path by path."""
    if at[1] != TOTAL:
        return _estimate(filed, *at, measure, "probability"), _estimate(filed, *at, measure, "probability", "error")
    mine = filed.outcomes[filed.outcomes["scenario"] == at[0]]
    hit = mine[column].fillna(0).gt(0).groupby(mine["path"]).any()
    found = probability(hit.to_numpy(dtype=bool), _independent(filed, hit.index.to_numpy()))
    return _estimated(found.value, "%"), _estimated(found.error, "%")


# --- periodic -----------------------------------------------------------------------------------


def _periodic(filed: Filed) -> dict[str, Rows]:
    held = filed.record["platforms"]
    if any("investors" not in p for p in held) or not filed.record.get("limits"):
        rule = "the run has no client structure: it was made by an earlier version"
        raise InputError(
            [Fault("record.json", rule, "run the same book and scenarios again into another folder", None, "platforms")]
        )
    made: dict[str, Rows] = {"investors": [], "leverage": [], "funding": []}
    for name, _, parts in _each(held):
        for kind in INVESTOR_TYPES:
            of = [p["investors"][kind] for p in parts]
            made["investors"].append(
                {
                    "platform": name,
                    "investor_type": a.INVESTOR.qname(kind),
                    "InvestorAccounts": str(sum(o["accounts"] for o in of)),
                    "InvestorAccountsWithDebt": str(sum(o["accounts_with_debt"] for o in of)),
                    "InvestorLoans": money(sum(o["debt_li"] for o in of)),
                }
            )
        for k, edge in enumerate(a.BAND_EDGES):
            made["leverage"].append(
                {
                    "platform": name,
                    "leverage_band": a.BAND.qname(a.band(edge)),
                    "BandAccounts": str(sum(p["leverage"]["accounts"][k] for p in parts)),
                    "BandLoans": money(sum(p["leverage"]["debt_li"][k] for p in parts)),
                }
            )
        for source in SOURCES:
            amount = sum(p["funding_by_source_li"].get(source, 0) for p in parts)
            made["funding"].append({"platform": name, "source": a.SOURCE.qname(source), "SourceFunding": money(amount)})
    return made | _standing(filed)


def _standing(filed: Filed) -> dict[str, Rows]:
    """What the limits of the run say of each platform: concentration, largest exposures, monitored figures (M-118 to M-121)."""
    concentration, largest, monitored = [], [], []
    for platform in filed.record["limits"]["platforms"]:
        name = platform["platform_id"]
        for of in (m.value for m in a.OBJECT.members):
            facts = platform["facts"]["concentration"][of]
            key = {"platform": name, "object": a.OBJECT.qname(of)}
            row = key | {"ConcentrationTotal": money(facts["total_li"]), "ConcentrationCount": str(facts["count"])}
            if facts.get("hhi_ppm") is not None:
                row["ConcentrationIndex"] = decimal(Fraction(facts["hhi_ppm"], 10**6), a.DECIMALS["share"])
            concentration.append(row)
            # Names of clients stay with the entity: a rank and an amount are what a supervisor compares.
            largest += [
                key
                | {
                    "rank": str(k),
                    "LargestAmount": money(amount),
                    "LargestShare": decimal(Fraction(amount, facts["total_li"]), a.DECIMALS["share"]),
                }
                for k, (_, amount) in enumerate(facts["top"], 1)
                if facts["total_li"]
            ]
        for one in platform["limits"]:
            row = {
                "platform": name,
                "limit": a.LIMIT.qname(one["name"]),
                "LimitLight": enumeration("light", one["light"]),
            }
            row |= {
                concept: decimal(Decimal(str(one[key])), a.DECIMALS["number"])
                for concept, key in (("LimitValue", "value"), ("LimitAmber", "amber"), ("LimitRed", "red"))
                if one.get(key) is not None
            }
            monitored.append(row)
    return {"concentration": concentration, "largest": largest, "monitored": monitored}
