"""The page beside a submission, to print and sign: cover, attestation, the triple with its texts, complaints, incidents, rate changes.

Both languages stand side by side, as on the forms themselves. The same submission gives the same bytes. As PDF (A4) with WeasyPrint.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from markupsafe import Markup, escape

from stresslab.estimate import TOTAL
from stresslab.faults import Fault, InputError
from stresslab.submission import axes as a
from stresslab.submission.concepts import FORMS
from stresslab.submission.package import Rows
from stresslab.submission.workbook import BLOCKS, shown

_NONE = "\u2013"
_NOTE = (
    "Money in yuan; ± one sampling error. Each column holds given its scenario.",
    "金额单位：元；±为抽样误差；各列以该情景发生为条件。",
)
_STYLE = """
@page { size: A4; margin: 18mm 16mm; @bottom-right { content: counter(page) " / " counter(pages); font-size: 8pt } }
body { font: 10pt/1.45 "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; color: #1a1a1a;
  max-width: 48rem; margin: 1rem auto; padding: 0 1rem }
h1 { font-size: 16pt } h2 { font-size: 12pt; margin-top: 1.6em; break-after: avoid }
table { border-collapse: collapse; width: 100% } thead { display: table-header-group } tr { break-inside: avoid }
th, td { text-align: left; vertical-align: top; padding: .2em .6em .2em 0; border-bottom: 1px solid #ccc; overflow-wrap: anywhere }
th { font-weight: 600 } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.f { color: #666; font-size: 8pt }
.pair td:first-child, .pair th:first-child { width: 45% } .one { break-inside: avoid; margin-bottom: 1.6em } .new { break-before: page }
table.one { table-layout: fixed } .one th:first-child { width: 34% } .one th:last-child { width: 12% }
.banner { border: 2px solid #a33; padding: .4em .8em; font-weight: 600 } .sign { display: flex; gap: 2em; margin-top: 3em }
.sign div { flex: 1; border-top: 1px solid #1a1a1a; padding-top: .3em } .t { white-space: pre-line }
"""


def page(form: str, tables: dict[str, Rows], parameters: dict[str, str]) -> str:
    """The page of a submission's tables (:func:`rows.tables_of`) and parameters, as HTML without any request."""
    title = f"{FORMS[form].en} {FORMS[form].zh}"
    (filing,) = tables["filing"]
    parts = [Markup("<h1>{}</h1>").format(title)]
    if filing["Draft"] == "true":
        parts.append(_banner("Draft: nobody has attested it. 草稿：未签署。"))
    if filing["BookSynthetic"] == "true":
        parts.append(
            _banner("The book is synthetic: no figure is of a real platform. 账簿为合成数据，不代表任何真实平台。")
        )
    parts += [_cover(form, filing, parameters), _triple(form, tables), _narratives(form, tables)]
    parts += [_listed(form, name, tables) for name in ("events", "rate_changes")]
    said = "Every figure, with its error: the package and the workbook of the same name. 全部指标及误差见同名报送包与工作簿。"
    parts.append(Markup('<p class="f">{}</p>').format(said))
    body = Markup("\n").join(p for p in parts if p)
    head = Markup(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{}</title><style>{}</style></head><body>\n'
    )
    return str(head.format(title, Markup(_STYLE)) + body + Markup("\n</body></html>\n"))


def pdf(html: str) -> bytes:
    """A page as PDF; raises :class:`InputError` where WeasyPrint is not installed."""
    if find_spec("weasyprint") is None:
        raise InputError(
            [
                Fault(
                    "options",
                    "WeasyPrint is not installed",
                    "pip install weasyprint, or print the page from a browser",
                    None,
                    "pdf",
                )
            ]
        )
    weasyprint = import_module("weasyprint")
    # Nothing is fetched: the page holds all that it needs.
    return bytes(weasyprint.HTML(string=html, base_url=str(Path("/nonexistent"))).write_pdf())


def _banner(text: str) -> Markup:
    return Markup('<p class="banner">{}</p>').format(text)


def _rows(rows: Iterable[Iterable[Markup]]) -> Markup:
    return Markup("\n").join(Markup("<tr>") + Markup("").join(row) + Markup("</tr>") for row in rows)


def _th(text: str, number: bool = False) -> Markup:
    return Markup('<th class="n">{}</th>' if number else "<th>{}</th>").format(text)


def _td(text: str | Markup, kind: str = "") -> Markup:
    return Markup('<td class="{}">{}</td>').format(kind, text) if kind else Markup("<td>{}</td>").format(text)


def _cover(form: str, filing: dict[str, str], parameters: dict[str, str]) -> Markup:
    concepts = {c.name: c for c in FORMS[form].table("filing").concepts}
    named = (
        ("Entity identifier 机构标识", "entity"),
        ("Reference date 基准日", "refDate"),
        ("Currency 币种", "currency"),
    )
    rows = [(_th(said), _td(parameters[name].removesuffix("@end"))) for said, name in named]
    out = Markup('<table class="pair">{}</table>').format(_rows(rows))
    for block, wanted in BLOCKS:
        lines = [
            (_td(f"{concepts[n].en} {concepts[n].zh}"), _td(shown(concepts[n], filing.get(n, "")) or _NONE))
            for n in wanted
        ]
        out += Markup('<h2>{}</h2><table class="pair">{}</table>').format(block, _rows(lines))
    signed = Markup("").join(Markup("<div>{}</div>").format(s) for s in ("Signature 签字", "Date 日期", "Seal 盖章"))
    return out + Markup('<div class="sign">{}</div>').format(signed)


def _triple(form: str, tables: dict[str, Rows]) -> Markup:
    if not tables.get("triple"):
        return Markup("")
    table = FORMS[form].table("triple")
    out = Markup('<h2 class="new">{} {}</h2>').format(table.en, table.zh)
    out += Markup("<p>{}<br>{}</p>").format(*_NOTE)
    for platform in dict.fromkeys(row["platform"] for row in tables["triple"]):
        rows = {row["severity"]: row for row in tables["triple"] if row["platform"] == platform}
        name = "All platforms 全部平台" if platform == TOTAL else platform
        head = (_th(name), *(_th(f"{m.en} {m.zh}", True) for m in a.SEVERITY.members), _th("Formula 公式"))
        lines = [
            (
                _td(f"{c.en} {c.zh}"),
                *(_td(_with_error(c, table, rows[a.SEVERITY.qname(m.value)]), "n") for m in a.SEVERITY.members),
                _td(c.formula, "f"),
            )
            for c in table.concepts
            if not c.name.endswith("Error")
        ]
        out += Markup('<table class="one"><thead>{}</thead><tbody>{}</tbody></table>').format(
            _rows([head]), _rows(lines)
        )
    return out


def _with_error(concept: a.Concept, table: a.Table, row: dict[str, str]) -> Markup:
    """A figure, and its sampling error where it has one."""
    error = next((c for c in table.concepts if c.name == f"{concept.name}Error"), None)
    said = figure(concept, row.get(concept.name, ""))
    if error is None or error.name not in row:
        return escape(said)
    return Markup('{}<br><span class="f">± {}</span>').format(said, figure(error, row[error.name]))


def figure(concept: a.Concept, value: str) -> str:
    """A cell of the package as a printed figure: thousands separated, money in yuan, shares in percent."""
    if not value:
        return _NONE
    if concept.kind == "money":
        return f"{Decimal(value):,.2f}".replace("-", "\u2212")
    if concept.kind in ("share", "ratio"):
        return f"{Decimal(value) * 100:,.2f}%".replace("-", "\u2212")
    if concept.kind == "number":
        return f"{Decimal(value):,.2f}".replace("-", "\u2212")
    return shown(concept, value)


def _narratives(form: str, tables: dict[str, Rows]) -> Markup:
    told = {(row["topic"], row["language"]): row["Narrative"] for row in tables.get("narratives", [])}
    if not told:
        return Markup("")
    table = FORMS[form].table("narratives")
    out = Markup("<h2>{} {}</h2>").format(table.en, table.zh)
    for member in a.TOPIC.members:
        texts = [told[key] for language in a.LANGUAGES if (key := (a.TOPIC.qname(member.value), language)) in told]
        said = Markup("").join(Markup('<p class="t">{}</p>').format(shown(table.concepts[0], t)) for t in texts)
        if texts or tables.get("triple"):
            out += Markup("<h3>{} {}</h3>{}").format(member.en, member.zh, said or Markup("<p>{}</p>").format(_NONE))
    return out


def _listed(form: str, name: str, tables: dict[str, Rows]) -> Markup:
    table = FORMS[form].table(name)
    head = [_th(f"{c.en} {c.zh}") for c in table.concepts]
    lines = [[_td(figure(c, row.get(c.name, ""))) for c in table.concepts] for row in tables.get(name, [])]
    body = (
        Markup("<table><thead>{}</thead><tbody>{}</tbody></table>").format(_rows([head]), _rows(lines))
        if lines
        else Markup("<p>none 无</p>")
    )
    return Markup("<h2>{} {}</h2>{}").format(table.en, table.zh, body)
