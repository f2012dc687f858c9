"""The list of runs in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stresslab.report.answer import visible
from stresslab.report.phrase import Language, Phrase

if TYPE_CHECKING:
    from rich.console import Console

_HEADS = (
    Phrase("folder", "文件夹"), Phrase("when (UTC)", "时间（UTC）"), Phrase("book", "账簿"), Phrase("scenarios", "情景"),
    Phrase("paths", "路径数"), Phrase("state", "状态"), Phrase("grades", "评级"), Phrase("version", "版本"),
)
_NONE = Phrase("no run lies here", "此处没有运行结果")
_STATES = {
    "finished": Phrase("finished", "已完成"), "resumable": Phrase("resumable, {done}%", "可续跑，{done}%"),
    "working": Phrase("at work, {done}%", "运行中，{done}%"), "unreadable": Phrase("cannot be read", "无法读取"),
}
_SEARCHES = {"reverse": Phrase("reverse", "反向测试"), "policy": Phrase("policy", "对策搜索")}
_NOT_RATED = Phrase("not rated", "未评级")
#: So many scenarios are named.
_NAMED = 3


def print_runs(rows: list[dict[str, Any]], console: Console, language: Language) -> None:
    """One line for each run (:func:`stresslab.listing.runs`)."""
    from rich.table import Table
    from rich.text import Text

    if not rows:
        console.print(_NONE.pick(language))
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for head in _HEADS:
        grid.add_column(head.pick(language), overflow="fold")
    for row in rows:
        grid.add_row(*(Text(visible(cell)) for cell in _cells(row, language)))
    console.print(grid)


def _cells(row: dict[str, Any], language: Language) -> tuple[str, ...]:
    scenarios = row["scenarios"] or []
    more = f" +{len(scenarios) - _NAMED}" if len(scenarios) > _NAMED else ""
    book = " ".join(str(part) for part in (row["book"], row["as_of"]) if part)
    grades = ", ".join(f"{p} {g or _NOT_RATED.pick(language)}" for p, g in (row["grades"] or {}).items())
    return (
        row["folder"], (row["when"] or "")[:16].replace("T", " "), book, ", ".join(scenarios[:_NAMED]) + more,
        "" if row["paths"] is None else f"{row['paths']:,}",
        _state(row).pick(language), grades, (row["versions"] or {}).get("stresslab") or "",
    )


def _state(row: dict[str, Any]) -> Phrase:
    said = _STATES[row["state"]]
    total = (row["paths"] or 0) * len(row["scenarios"] or ())
    if row["paths_done"] is None:
        said = Phrase(said.en.partition(",")[0], said.zh.partition("，")[0])
    elif total:
        said = said.fill(done=100 * row["paths_done"] // total)
    kind = _SEARCHES.get(row["kind"])
    return said if kind is None else Phrase(f"{kind.en}, {said.en}", f"{kind.zh}，{said.zh}")
