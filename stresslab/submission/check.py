"""Whether a package may be sent: our own checks always, Arelle's where it is installed; findings in the reader's language."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stresslab.faults import Fault, InputError
from stresslab.submission.structure import Finding, structural

#: A package of a hundred thousand facts takes Arelle about half a minute.
PATIENCE_SECONDS = 600

#: What Arelle's codes mean, in English and Chinese; the longest beginning that fits counts.
MEANING: dict[str, tuple[str, str]] = {
    "tcre:invalidValue": ("the value breaks the constraint of its column", "取值不符合该列约束"),
    "tcre:missingValue": ("must have a value", "必须填写"),
    "tcre:missingColumn": ("this column is missing", "缺少该列"),
    "tcre:uniqueKeyViolation": ("the row's key stands twice", "该行主键重复"),
    "tcre:referenceKeyViolation": (
        "the value does not stand in the table that defines it",
        "取值未在定义该项的表中出现",
    ),
    "tcre:invalidColumnOrder": ("columns must stand in the order of the form", "列顺序须与报表一致"),
    "tcre:minTableRowsViolation": ("the table has too few rows", "数据行过少"),
    "tcre:maxTableRowsViolation": ("the table has too many rows", "数据行过多"),
    "tcre:minTablesViolation": ("this table must be reported", "该表必须报送"),
    "tcre:maxTablesViolation": ("the table is reported too often", "该表重复报送"),
    "tcre:": ("breaks a table constraint", "违反表约束"),
    "tcme:": ("the table constraints themselves are not sound", "表约束定义有误"),
    "xbrlce:unmappedCellValue": ("no axis of the table takes this value", "表中无维度对应该取值"),
    "xbrlce:invalidPeriodRepresentation": ("the reference date cannot be read", "基准日无法识别"),
    "oime:missingPeriodDimension": ("the fact has no reference date", "该事实缺少基准日"),
    "xbrlce:unknownColumn": ("the form has no such column", "报表无此列"),
    "xbrlce:invalidFactValue": ("the value cannot be read", "取值无法识别"),
    "xbrlce:": ("breaks a rule of xBRL-CSV", "违反xBRL-CSV规则"),
    "oime:illegalPureUnit": ("pure numbers are reported without a unit", "纯数不得填写单位"),
    "oime:unknownConcept": ("the taxonomy has no such concept", "分类标准无此概念"),
    "oim": ("breaks a rule of the Open Information Model", "违反OIM规则"),
    "calc11e:inconsistentCalculation": ("the parts do not add up to the total", "各分项之和与合计不一致"),
    "calc11e:": ("a calculation does not hold", "计算关系不成立"),
    "enum2ie:": ("the value is no member of its list", "取值不在枚举范围内"),
    "xbrldie:": ("the fact is reported for a row that the form does not know", "该事实的维度组合不属于报表"),
    "message:va_share": ("a share must lie between 0 and 1", "占比须在0到1之间"),
    "message:va_amount": ("the amount must not be negative", "金额不得为负"),
    "message:va_balance": ("assets and liabilities do not balance", "资产与负债不平衡"),
    "message:va_total": ("the parts do not add up to the platform's total", "分项之和与平台合计数不一致"),
    "formula:": ("an assertion of the taxonomy does not hold", "分类标准的校验公式不成立"),
    "arelle:duplicateFacts": ("the same fact is reported with two values", "同一事实报送了两个不同的值"),
    "xbrl.5": ("breaks a rule of XBRL 2.1", "违反XBRL 2.1规则"),
    "xmlSchema:": ("the value is not of its type", "取值类型不符"),
    "rpe:": ("is no report package", "不是有效的报送包"),
    "tpe:": ("the taxonomy in the package cannot be read", "包内分类标准无法读取"),
    "IOerror": ("a file cannot be found offline", "离线状态下找不到文件"),
    "FileNotLoadable": ("a file cannot be loaded", "文件无法加载"),
}
_TABLE, _ROW, _COLUMN = (
    re.compile(r"table '(\w+)'|Table (\w+) (?:row|column)"),
    re.compile(r" row (\d+)"),
    re.compile(r" column '?(\w+)'?"),
)
_PARAMETER, _VALUE = re.compile(r" parameter '([^']*)'"), re.compile(r"value '([^']*)'")
#: So many findings of one code of Arelle are told with their rows; one where our own checks have named a cause that touches every row.
ROWS_OF_A_CODE = 5
_CAUSES = ("S-05", "S-06", "S-07", "S-08", "S-09")


@dataclass(frozen=True)
class Checked:
    """What was found in a package, and by whom: ``arelle`` says whether Arelle has read it, ``facts`` how many facts it counted."""

    findings: list[Finding]
    arelle: bool
    facts: int | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing forbids to send the package."""
        return not any(f.severity == "error" for f in self.findings)


def arelle_installed() -> bool:
    """Whether the extra ``[xbrl]`` is there."""
    return find_spec("arelle") is not None


def check_submission(*packages: Path | str, arelle: bool | None = None) -> list[Checked]:
    """Check packages. ``arelle``: by default where it is installed; False never; True is refused without it.

    All packages are read by one process of Arelle. Raises :class:`InputError` for a file that is not there.
    """
    files = [Path(p) for p in packages]
    absent = [
        Fault(str(f), "there is no such file", "give a package that `stresslab submit` wrote")
        for f in files
        if not f.is_file()
    ]
    use = arelle_installed() if arelle is None else arelle
    if use and not arelle_installed():
        absent.append(Fault("options", "Arelle is not installed", "pip install 'stresslab[xbrl]'", None, "arelle"))
    if absent:
        raise InputError(absent)
    own = [structural(f.read_bytes()) for f in files]
    # What is no sound archive (damaged, too large unpacked, names that lead out of it) is not opened a second time.
    sent = [f for f, found in zip(files, own, strict=True) if use and not any(x.code == "S-01" and x.file == "package" for x in found)]
    told = dict(zip(sent, _referee(sent), strict=True)) if sent else {}
    return [_joined(found, told[f]) if f in told else Checked(found, False) for f, found in zip(files, own, strict=True)]


def _referee(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """What Arelle says of each file; a file that it could not finish gets a message that says so."""
    with tempfile.TemporaryDirectory() as home:
        # Its settings and caches stay in a folder that is thrown away; nothing is fetched.
        words = [sys.executable, "-m", "stresslab.submission.referee", *(str(f.resolve()) for f in files)]
        where = {
            **os.environ,
            "XDG_CONFIG_HOME": home,
            "ARELLE_WORK_OFFLINE": "1",
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        }
        try:
            done = subprocess.run(
                words,
                capture_output=True,
                text=True,
                env=where,
                cwd=home,
                timeout=PATIENCE_SECONDS * len(files),
                check=False,
            )
            out, failed = done.stdout, done.stderr.strip().rsplit("\n", 1)[-1]
        except subprocess.TimeoutExpired as late:
            out, failed = (
                str(late.stdout or b"", "utf-8", "replace") if isinstance(late.stdout, bytes) else late.stdout or "",
                "it took too long",
            )
    told: dict[str, dict[str, Any]] = {}
    for line in out.splitlines():
        if line.startswith("{"):
            one = json.loads(line)
            told[one["file"]] = one
    for file in files:
        unread = {
            "facts": 0,
            "messages": [{"level": "ERROR", "code": "arelle:failed", "text": failed or "it said nothing of this file"}],
        }
        yield told.get(str(file.resolve()), unread)


def _joined(own: list[Finding], said: dict[str, Any]) -> Checked:
    """Our findings, then those of Arelle that name another cell: a few of each code, then how many more."""
    cells = {(f.file, f.row, f.column) for f in own if f.severity == "error"}
    most = 1 if any(f.code in _CAUSES for f in own) else ROWS_OF_A_CODE
    found: list[Finding] = []
    count: Counter[str] = Counter()
    for message in said["messages"]:
        finding = _translated(message)
        place = (finding.file, finding.row, finding.column)
        if finding.row is not None and place in cells:
            continue
        cells.add(place)
        count[finding.code] += 1
        if count[finding.code] <= (1 if finding.row is None else most):
            found.append(finding)
    for code, n in count.items():
        told = [f for f in found if f.code == code]
        if n > len(told):
            en, zh = f"and {n - len(told)} more with this code of Arelle", f"另有{n - len(told)}条同一Arelle代码的消息"
            found.append(Finding(told[0].severity, code, "package", en, zh))
    return Checked([*own, *found], True, int(said["facts"]))


def _translated(message: dict[str, str]) -> Finding:
    code, text = message["code"], message["text"].strip()
    fitting = [k for k in MEANING if code.startswith(k)]
    en, zh = MEANING[max(fitting, key=len)] if fitting else ("Arelle says that this is wrong", "Arelle报告错误")
    table, row, column, parameter, value = (p.search(text) for p in (_TABLE, _ROW, _COLUMN, _PARAMETER, _VALUE))
    file = f"reports/{table.group(1) or table.group(2)}.csv" if table else "package"
    if parameter:
        file = "reports/parameters.csv"
    # Arelle's own words stay English in any setting: they follow ours as a quotation.
    quoted = re.sub(r"\s+", " ", text)[:300]
    severity = "warning" if message["level"] == "WARNING" and code != "arelle:duplicateFacts" else "error"
    place = column or parameter
    return Finding(
        "warning" if severity == "warning" else "error",
        code,
        file,
        f"{en} [Arelle: {quoted}]",
        f"{zh} [Arelle：{quoted}]",
        int(row.group(1)) if row else None,
        place.group(1) if place else None,
        value.group(1) if value else None,
    )
