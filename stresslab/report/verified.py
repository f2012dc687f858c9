"""What a verification of a run found, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stresslab.report.answer import visible
from stresslab.report.phrase import Language, Phrase, join, same

if TYPE_CHECKING:
    from rich.console import Console

_AGREES = Phrase("{folder} agrees with what it says of itself.", "{folder} 与其记录一致。")
_DIFFERS = Phrase("{folder} differs from what it says of itself:", "{folder} 与其记录不一致：")
_WHERE = {
    "scenario": Phrase("scenario {v}", "情景{v}"), "path": Phrase("path {v}", "路径{v}"), "day": Phrase("day {v}", "第{v}日"),
    "platform_id": Phrase("platform {v}", "平台{v}"), "account_id": Phrase("account {v}", "账户{v}"),
    "instrument_id": Phrase("instrument {v}", "证券{v}"), "sector": Phrase("sector {v}", "行业{v}"),
}
_KINDS = {
    "digest": Phrase("the file is not the one that the run wrote (SHA-256 {run}, recorded {now})",
                     "文件不是该次运行写出的文件（SHA-256 {run}，记录为 {now}）"),
    "gone": Phrase("the file is gone", "文件已不存在"),
    "unreadable": Phrase("cannot be read: bytes of it were changed, or it is cut short", "无法读取：内容被改动或被截断"),
    "record": Phrase("{column} says {run}, and must say {now}", "{column} 记为 {run}，应为 {now}"),
    "shape": Phrase("{column}: {run} in the run, {now} now", "{column}：运行中为 {run}，现为 {now}"),
    "cell": Phrase("{column} is {run} in the run, {now} when run again", "{column} 在运行中为 {run}，重新运行为 {now}"),
    "sum": Phrase("{column} is {run} over all paths, which does not fit {now} of the blocks that were run again",
                  "{column} 全部路径合计为 {run}，与重新运行区块的 {now} 不相容"),
    "total": Phrase("{column} adds up to {run}, the paths to {now}", "{column} 合计为 {run}，各路径合计为 {now}"),
    "judgement": Phrase("is not what follows from the tables", "与各表推出的结果不符"),
}
_FILES = Phrase("files:     {files} compared with their digests", "文件：     {files}个，已核对摘要")
_BLOCKS = Phrase(
    "blocks:    {blocks} of {blocks_of} run again, {paths} of {paths_of} paths, every cell compared",
    "区块：     重新运行{blocks_of}个中的{blocks}个（{paths_of}条路径中的{paths}条），逐格比较")
_UNSEEN = Phrase(
    "           a fault in {share}% of the blocks or more would have been met with a probability of 95% (M-235); --all runs every block",
    "           若至少{share}%的区块有误，被发现的概率为95%（M-235）；--all 重新运行全部区块")
_JUDGED = Phrase("judgement: estimates, grades, report and record made anew, the same",
                 "判断：     估计、评级、报告与记录已重新计算，结果相同")
_JUDGED_NOT_PAGE = Phrase(
    "judgement: estimates, grades and record made anew, the same; the page not compared, as versions differ",
    "判断：     估计、评级与记录已重新计算，结果相同；因版本不同，未比较页面")
_TAIL = {
    True: Phrase("rare events: run again", "稀有事件：  已重新运行"),
    False: Phrase("rare events: their digests; --all runs them again", "稀有事件：  已核对摘要；--all 重新运行"),
}
_SAME = Phrase("versions:  those of the run", "版本：     与该次运行相同")
_OTHER = Phrase("versions:  {name} was {run}, is {now}", "版本：     {name} 当时为 {run}，现为 {now}")
_MEANS = {
    (True, True): Phrase(
        "           the kernels are not those of the run; that it agrees shows that the change does not alter these paths",
        "           计算内核与该次运行不同；结果一致说明该变更不影响这些路径"),
    (True, False): Phrase(
        "           the kernels are not those of the run: a difference may be theirs; verify with the version that made it",
        "           计算内核与该次运行不同：差异可能源于此；请用原版本核对"),
    (False, True): Phrase(
        "           the kernels are the same; other packages changed, and the paths do not depend on it",
        "           计算内核相同；其他软件包有变更，所核路径不受影响"),
    (False, False): Phrase(
        "           the kernels are the same, but compiled or judged by other packages: verify with the versions of the run first",
        "           计算内核相同，但编译或判断所用软件包不同：认定问题前请用原版本核对"),
}
#: So many differences are printed.
_SHOWN = 10


def print_verified(told: dict[str, Any], console: Console, language: Language) -> None:
    """A verification (``Verified.plain()``) in the terminal; the first difference first."""
    for line in lines(told):
        console.print(visible(line.pick(language)), markup=False, highlight=False, soft_wrap=True)


def lines(told: dict[str, Any]) -> list[Phrase]:
    """What is printed, line by line."""
    said = [(_AGREES if told["agrees"] else _DIFFERS).fill(folder=told["folder"])]
    said += [join([same("  "), difference(d)], "", "") for d in told["differences"][:_SHOWN]]
    if len(told["differences"]) > _SHOWN:
        said.append(Phrase("  and {n} more", "  另有{n}处").fill(n=len(told["differences"]) - _SHOWN))
    said.append(_FILES.fill(files=told["files"]))
    if told["blocks"]:
        said.append(_BLOCKS.fill(**{name: f"{told[name]:,}" for name in ("blocks", "blocks_of", "paths", "paths_of")}))
        if told["blocks"] < told["blocks_of"]:
            said.append(_UNSEEN.fill(share=f"{100 * told['unseen_share']:.3g}"))
    if told["judged"] and told["agrees"]:
        said.append(_JUDGED_NOT_PAGE if told["versions"] else _JUDGED)
    if told["tail"] is not None:
        said.append(_TAIL[told["tail"]])
    said += [_OTHER.fill(**one) for one in told["versions"]] or [_SAME]
    if told["versions"] and told["blocks"]:
        said.append(_MEANS[any(one["name"] == "kernels" for one in told["versions"]), told["agrees"]])
    return said


def difference(told: dict[str, Any]) -> Phrase:
    """One difference: file, where in it, what stands there and what must."""
    keys = {"scenario": told["scenario"], "path": told["path"]} | told["row"]
    where = [_WHERE.get(name, same(f"{name} {{v}}")).fill(v=value) for name, value in keys.items() if value is not None]
    what = _KINDS[told["kind"]].fill(column=told["column"], run=_value(told["run"]), now=_value(told["now"]))
    return join([join([same(told["file"]), *where], ", ", "，"), what], ": ", "：")


def _value(value: Any) -> Phrase:
    if value is None:
        return Phrase("nothing", "空")
    return same(str(value)[:12] if isinstance(value, str) and len(value) == 64 else value)
