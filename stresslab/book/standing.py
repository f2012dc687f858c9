"""How the platforms of a book stand against a limits file: figures with their lights, findings in accounts, contracts on offer."""

from __future__ import annotations

from typing import Any

from stresslab.book.files import Book
from stresslab.book.liquidity import Lender, lenders, platform_liquidity
from stresslab.book.suitability import account_findings, finding_sums
from stresslab.limits import Limits, judge
from stresslab.market.rules import selling_cost_bp

#: So many kinds of contracts of a platform are shown, those with the most debt.
CONTRACTS = 3
#: The own money of a contract in the scenario loss table, 厘: 100,000 yuan.
OWN_MONEY = 100_000_000


def standing(book: Book, lines: list[int], limits: Limits) -> dict[str, Any]:
    """Everything that the limits say of a book, in the types of JSON: limits, findings and facts of each platform."""
    assumed = limits.assumptions.model_dump(mode="json")
    found = finding_sums(book, limits) if book.sums is None else book.sums["findings"]
    platforms = []
    for lender in lenders(book, lines, limits):
        accounts = account_findings(found[lender.platform_id])
        facts, figures = platform_liquidity(lender)
        platforms.append({
            "platform_id": lender.platform_id, "limits": judge(limits, figures), "accounts": accounts, "facts": facts,
            "contracts": contracts(book, lender),
        })
    return {
        "title": limits.title, "title_zh": limits.title_zh, "provisional": limits.provisional, "digest": limits.digest,
        "assumptions": assumed, "platforms": platforms,
    }


def contracts(book: Book, lender: Lender) -> list[dict[str, Any]]:
    """The kinds of contracts that a platform lends under: lines, whole sale, average leverage; most debt first (M-117)."""
    ranked = sorted(lender.sums["kinds"].items(), key=lambda item: (-item[1][2], item[0]))[:CONTRACTS]
    return [
        {
            "warning_bp": w, "liquidation_bp": q, "restore_bp": r, "full_sale": f, "accounts": n, "debt_li": debt,
            "own_li": OWN_MONEY, "borrowed_li": OWN_MONEY * debt // (held - debt), "cost_bp": highest_cost(book),
        }
        for (w, q, r, f), (n, held, debt) in ranked
    ]


def highest_cost(book: Book) -> int:
    """The highest cost of selling any instrument of the book on its date, bp."""
    return max(selling_cost_bp(board, book.as_of) for board in set(book.tables["instruments"]["board"]))


def lines_of(said: dict[str, Any]) -> list[tuple[str, str]]:
    """What is amber or red, as (light, sentence) in English, platform by platform, red first within each."""
    told = []
    for platform in said["platforms"]:
        rows = []
        for one in platform["limits"]:
            if one["light"] != "green":
                bound = one["red"] if one["light"] == "red" else one["amber"]
                words = "is below" if one["side"] == "at_least" else "is above"
                unit = "" if one["name"].endswith("_days") else "%"
                text = f"{one['en']} ({one['zh']}) {one['value']}{unit} {words} {bound}{unit}"
                rows.append((one["light"], f"{platform['platform_id']}: {text}"))
        for rule in platform["accounts"]:
            if rule["light"] != "green":
                some = ", ".join(rule["examples"]) + (", …" if rule["accounts"] > len(rule["examples"]) else "")
                text = f"{_counted(rule['accounts'])}: {rule['en']} ({rule['zh']}): {some}"
                rows.append((rule["light"], f"{platform['platform_id']}: {text}"))
        told += sorted(rows, key=lambda row: row[0] != "red")
    return told


def _counted(accounts: int) -> str:
    return "1 account" if accounts == 1 else f"{accounts} accounts"
