"""What the demo's platforms answered to the questions of the shipped rating scale: made up, like the rest of the demo book."""

from __future__ import annotations

import datetime

import pandas as pd

_QUESTIONS = (
    "clearing_connection_score", "risk_disclosure_score", "trigger_visibility_score", "user_education_score", "complaints_on_time_pct",
    "complaints_per_1000", "third_party_custody_pct", "audits_per_year", "reconciliation_hours", "transfer_hours", "licence_score",
    "kyc_complete_pct", "profit_years_of_5", "recovery_drills_per_year",
)
#: None is a question without an answer; the third platform answers little, and proves less.
_ANSWERS: dict[str, tuple[float | None, ...]] = {
    "P1": (95, 88, 90, 80, 98, 3, 100, 4, 1, 2, 100, 99, 5, 4),
    "P2": (70, 85, 60, 55, 88, 14, 60, 1, 24, 24, 60, 91, 4, 1),
    "P3": (20, None, 25, None, 61, 55, None, None, 240, 96, 0, 70, None, None),
}
#: Answers that come without evidence, and one that is two years old.
_UNPROVEN = {("P2", "user_education_score"), ("P3", "clearing_connection_score"), ("P3", "kyc_complete_pct")}
_OLD = {("P2", "audits_per_year")}


def answers(as_of: datetime.date) -> pd.DataFrame:
    """The table `answers` of the demo book: platform, question, answer, evidence, date."""
    rows: list[dict[str, object]] = []
    for platform, given in _ANSWERS.items():
        for question, value in zip(_QUESTIONS, given, strict=True):
            if value is None:
                continue
            key = (platform, question)
            days = 730 if key in _OLD else 60
            rows.append({
                "platform_id": platform, "question": question, "answer": float(value),
                "evidence": None if key in _UNPROVEN else f"synthetic: file {platform}-{len(rows) + 1:02d}",
                "answered_on": as_of - datetime.timedelta(days=days),
            })
    return pd.DataFrame(rows).sort_values(["platform_id", "question"], ignore_index=True)
