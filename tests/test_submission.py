"""Submissions: valid packages, packages broken on purpose and each caught with its row, equal bytes, refusals, other readers."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import tomllib
import zipfile
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stresslab import verbs
from stresslab.faults import InputError
from stresslab.glossary import schema
from stresslab.record import file_digest, write_json, write_table
from stresslab.submission import check_submission, submit
from stresslab.submission.axes import NS, PREFIX
from stresslab.submission.check import Checked, _joined, _referee, arelle_installed
from stresslab.submission.concepts import FORMS, concepts
from stresslab.submission.entity import read_entity, sound_identifier
from stresslab.submission.package import packed
from stresslab.submission.structure import Finding, structural
from stresslab.submission.taxonomy import taxonomy_files
from stresslab.submission.workbook import harmless

DOCS = Path(__file__).parent.parent / "docs"
ENTITY = re.search(r"```toml\n(.*?)```", (DOCS / "submission.md").read_text(encoding="utf-8"), re.DOTALL).group(1)  # type: ignore[union-attr]
HOSTILE = '=cmd|"/c calc"!A1'
needs_arelle = pytest.mark.skipif(
    not arelle_installed(), reason="Arelle is not installed: pip install 'stresslab[xbrl]'"
)

Files = dict[str, str]


def unpacked(data: bytes) -> tuple[str, Files]:
    """The root of a package, and its files below it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = archive.namelist()[0].split("/")[0]
        return root, {n.removeprefix(f"{root}/"): archive.read(n).decode() for n in archive.namelist()}


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def text_of(rows: list[list[str]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small book, a run of the triple, a run of one scenario, an entity file, and the four packages that follow."""
    folder = tmp_path_factory.mktemp("submission")
    verbs.init(folder / "book", accounts=60)
    verbs.run(folder / "book", ["mild", "moderate", "severe"], paths=5, seed=1, out=folder / "run")
    verbs.run(folder / "book", ["crash-60"], paths=3, seed=2, out=folder / "small")
    (folder / "entity.toml").write_text(ENTITY, encoding="utf-8")
    for form in FORMS:
        submit(folder / "run", out=folder / f"{form}.xbr", form=form, entity=folder / "entity.toml")
    submit(folder / "small", out=folder / "small.xbr", entity=folder / "entity.toml")
    return folder


# --- broken on purpose --------------------------------------------------------------------------

Break = Callable[[Files], None]


def cell(table: str, row: int, column: str, value: str) -> Break:
    """Another value in one cell; rows as a spreadsheet counts."""

    def broken(files: Files) -> None:
        rows = rows_of(files[f"reports/{table}.csv"])
        rows[row - 1][rows[0].index(column)] = value
        files[f"reports/{table}.csv"] = text_of(rows)

    return broken


def without(table: str, column: str) -> Break:
    def broken(files: Files) -> None:
        rows = rows_of(files[f"reports/{table}.csv"])
        at = rows[0].index(column)
        files[f"reports/{table}.csv"] = text_of([r[:at] + r[at + 1 :] for r in rows])

    return broken


def beside(table: str) -> Break:
    def broken(files: Files) -> None:
        rows = rows_of(files[f"reports/{table}.csv"])
        files[f"reports/{table}.csv"] = text_of([rows[0] + ["Foo"], *([*r, "1"] for r in rows[1:])])

    return broken


def again(table: str, row: int, column: str, value: str) -> Break:
    """A row once more with another value, at the end."""

    def broken(files: Files) -> None:
        rows = rows_of(files[f"reports/{table}.csv"])
        copy = list(rows[row - 1])
        copy[rows[0].index(column)] = value
        files[f"reports/{table}.csv"] = text_of([*rows, copy])

    return broken


def said(*path: str, value: Any = None) -> Break:
    """Another word in report.json; None takes the key away."""

    def broken(files: Files) -> None:
        report = json.loads(files["reports/report.json"])
        at = report
        for key in path[:-1]:
            at = at[key]
        if value is None:
            del at[path[-1]]
        else:
            at[path[-1]] = value
        files["reports/report.json"] = json.dumps(report)

    return broken


def parameter(name: str, value: str) -> Break:
    def broken(files: Files) -> None:
        text = files["reports/parameters.csv"]
        files["reports/parameters.csv"] = re.sub(rf"{name},[^\r]*", f"{name},{value}", text)

    return broken


#: base package, what is broken, our finding (code, file, row, column), what Arelle's codes begin with (one of them; none: it sees nothing)
BROKEN: dict[str, tuple[str, Break, tuple[str, str, int | None, str | None], tuple[str, ...]]] = {
    "unknown member": (
        "small",
        cell("figures", 3, "statistic", "sl:StatisticP99"),
        ("S-18", "figures", 3, "statistic"),
        ("tcre:invalidValue",),
    ),
    "unknown scenario": (
        "small",
        cell("figures", 4, "scenario", "crash-99"),
        ("S-18", "figures", 4, "scenario"),
        ("tcre:referenceKeyViolation",),
    ),
    "no number": (
        "small",
        cell("layers", 4, "LayeredDeficit", "12,5 mio"),
        ("S-20", "layers", 4, "LayeredDeficit"),
        ("tcre:invalidValue",),
    ),
    "rate above one": (
        "small",
        cell("figures", 5, "ForcedSaleRate", "1.35000000"),
        ("S-27", "figures", 5, "ForcedSaleRate"),
        ("tcre:invalidValue", "message:va_share"),
    ),
    "layers do not add up": (
        "small",
        cell("layers", 3, "BorneByReserve", "7.000"),
        ("S-21", "layers", 3, "LayeredDeficit"),
        ("calc11e:",),
    ),
    "no balance": (
        "small",
        cell("layers", 2, "AssetsEnd", "7.000"),
        ("S-23", "layers", 2, "AssetsEnd"),
        ("message:va_balance",),
    ),
    "row twice": (
        "small",
        again("figures", 2, "Deficit", "1.000"),
        ("S-14", "figures", 22, "scenario,platform,statistic"),
        ("tcre:uniqueKeyViolation",),
    ),
    "bad grade": (
        "small",
        cell("ratings", 3, "GradeAfter", "sl:GradeZZZ"),
        ("S-18", "ratings", 3, "GradeAfter"),
        ("enum2ie:", "tcre:invalidValue"),
    ),
    "bad date": (
        "periodic",
        parameter("refDate", "30.09.2026"),
        ("S-08", "parameters", 3, "refDate"),
        ("tcre:", "oimce:", "xbrlce:"),
    ),
    "column missing": (
        "periodic",
        without("investors", "InvestorLoans"),
        ("S-13", "investors", 1, "InvestorLoans"),
        ("tcre:missingColumn",),
    ),
    "column unknown": ("periodic", beside("investors"), ("S-13", "investors", 1, "Foo"), ("xbrlce:unknownColumn",)),
    "concept renamed": (
        "periodic",
        said(
            "tableTemplates", "funding", "columns", "SourceFunding", "dimensions", "concept", value="sl:SourceFundingg"
        ),
        ("S-06", "report", None, "tableTemplates.funding.columns.SourceFunding.dimensions.concept"),
        ("oime:",),
    ),
    "pure unit": (
        "periodic",
        said(
            "tableTemplates", "concentration", "columns", "ConcentrationIndex", "dimensions", "unit", value="xbrli:pure"
        ),
        ("S-06", "report", None, "tableTemplates.concentration.columns.ConcentrationIndex.dimensions.unit"),
        ("oime:", "oimce:"),
    ),
    "axis left out": (
        "periodic",
        said("tableTemplates", "funding", "dimensions", "sl:FundingSourceAxis"),
        ("S-06", "report", None, "tableTemplates.funding.dimensions.sl:FundingSourceAxis"),
        ("xbrldie:", "xbrlce:", "arelle:"),
    ),
    "constraint loosened": (
        "periodic",
        said("tableTemplates", "platforms", "columns", "Cash", "tc:constraints", "minInclusive"),
        ("S-06", "report", None, "tableTemplates.platforms.columns.Cash.tc:constraints.minInclusive"),
        (),
    ),
    "types do not add up": (
        "periodic",
        cell("investors", 2, "InvestorAccounts", "999"),
        ("S-24", "platforms", 2, "Accounts"),
        ("message:va_total",),
    ),
    "special value": ("periodic", cell("platforms", 2, "Cash", "#nil"), ("S-16", "platforms", 2, "Cash"), ("tcre:",)),
    "blanks": (
        "periodic",
        cell("platforms", 3, "PlatformName", " A name"),
        ("S-15", "platforms", 3, "PlatformName"),
        (),
    ),
    "too many decimals": (
        "periodic",
        cell("largest", 2, "LargestShare", "0.1234567891"),
        ("S-26", "largest", 2, "LargestShare"),
        ("tcre:invalidValue",),
    ),
    "needed cell empty": (
        "periodic",
        cell("platforms", 2, "Claims", ""),
        ("S-19", "platforms", 2, "Claims"),
        ("tcre:missingValue",),
    ),
    "indicator": ("periodic", cell("indicators", 2, "Reported", "false"), ("S-31", "indicators", 2, "Reported"), ()),
    "wrong identifier": (
        "periodic",
        parameter("entity", "lei:STRESSLABEXAMPLE0095"),
        ("S-10", "parameters", 2, "entity"),
        (),
    ),
    "not attested": (
        "periodic",
        cell("filing", 2, "AttestationGiven", "false"),
        ("S-33", "filing", 2, "AttestationGiven"),
        (),
    ),
    "entry point": (
        "periodic",
        said("documentInfo", "taxonomy", value=[f"{NS}/other.xsd"]),
        ("S-05", "report", None, "documentInfo.taxonomy"),
        ("",),
    ),
}
#: Rules of ours are nothing that Arelle could know: the others it sees as well.
SEEN = [name for name, (_, _, _, codes) in BROKEN.items() if codes]


def broken_package(place: Path, name: str) -> bytes:
    base, broken, _, _ = BROKEN[name]
    root, files = unpacked((place / f"{base}.xbr").read_bytes())
    broken(files)
    return packed(root, files)


@pytest.fixture(scope="module")
def refereed(place: Path) -> dict[str, tuple[list[dict[str, str]], Checked]]:
    """What Arelle says of every package, good and broken: one process for all of them."""
    files = [place / f"{name}.xbr" for name in ("stress", "periodic", "small")]
    for name in SEEN:
        files.append(place / f"broken {name}.xbr")
        files[-1].write_bytes(broken_package(place, name))
    heard = zip(files, _referee(files), strict=True)
    return {f.stem.removeprefix("broken "): (s["messages"], _joined(structural(f.read_bytes()), s)) for f, s in heard}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_package_is_caught_with_its_row(place, name):
    code, file, row, column = BROKEN[name][2]
    found = structural(broken_package(place, name))
    suffix = "json" if file == "report" else "csv"
    assert (code, f"reports/{file}.{suffix}", row, column) in {
        (f.code, f.file, f.row, f.column) for f in found if f.severity == "error"
    }
    for finding in found:
        assert re.search("[\u4e00-\u9fff]", finding.said("zh"))
        assert not re.search("[\u4e00-\u9fff]", finding.en)


@needs_arelle
@pytest.mark.parametrize("name", SEEN)
def test_arelle_sees_it_too(refereed, name):
    messages, checked = refereed[name]
    codes = [m["code"] for m in messages if m["level"] != "WARNING"]
    assert any(c.startswith(BROKEN[name][3]) for c in codes), codes
    assert not checked.ok
    assert checked.arelle
    cells = [
        (f.file, f.row, f.column)
        for f in checked.findings
        if f.row is not None and f.severity == "error" and f.code[:2] != "S-"
    ]
    assert len(cells) == len(set(cells)), "the same cell was told twice"


@needs_arelle
@pytest.mark.parametrize("name", ["stress", "periodic", "small"])
def test_a_submission_is_valid(place, refereed, name):
    messages, checked = refereed[name]
    assert messages == []
    assert [f for f in checked.findings if f.severity == "error"] == []
    _, files = unpacked((place / f"{name}.xbr").read_bytes())
    assert checked.facts == len(facts_by_the_book(files))


def test_the_check_without_arelle_says_so(place, monkeypatch):
    (checked,) = check_submission(place / "small.xbr", arelle=False)
    assert (checked.ok, checked.arelle) == (True, False)
    monkeypatch.setattr("stresslab.submission.check.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"stresslab\[xbrl\]"):
        check_submission(place / "small.xbr", arelle=True)


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", packed("a", {"x": "y"})])
def test_what_is_no_package_is_said(data):
    assert {"S-01"} <= {f.code for f in structural(data)}


def test_unsafe_and_double_names_are_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/../../x", "1")
    assert [f.code for f in structural(out.getvalue())] == ["S-01"]


@given(
    at=st.integers(0, 10**6),
    junk=st.text(max_size=6) | st.sampled_from(["#nil", "##", '"', "\r\n", "1e5", "NaN", "-", "=1", "\x00", "９"]),
)
@settings(max_examples=30)
def test_no_content_makes_the_check_fail(place, at, junk):
    _, files = unpacked((place / "periodic.xbr").read_bytes())
    names = sorted(n for n in files if n.startswith(("reports/", "META-INF/")))
    name = names[at % len(names)]
    place_in = at // len(names) % (len(files[name]) + 1)
    text = files[name][:place_in] + junk + files[name][place_in:]
    for finding in structural(packed("r", files | {name: text.encode("utf-8", "replace").decode()})):
        assert isinstance(finding, Finding)
        assert finding.code in finding.said("en")


def test_findings_of_one_kind_are_counted(place):
    root, files = unpacked((place / "small.xbr").read_bytes())
    rows = rows_of(files["reports/figures.csv"])
    at = rows[0].index("Deficit")
    wide = [[*r[:at], "x", *r[at + 1 :]] for r in rows[1:]]
    files["reports/figures.csv"] = text_of([rows[0], *wide, *wide])
    found = [f for f in structural(packed(root, files)) if f.code == "S-20"]
    assert len(found) == 21
    assert found[-1].en == f"and {2 * len(wide) - 20} more of this kind"


# --- other readers ------------------------------------------------------------------------------


def facts_by_the_book(files: Files) -> list[dict[str, Any]]:
    """The facts of a package, read from the text of the xBRL-CSV specification alone: it imports nothing of ours."""
    report = json.loads(files["reports/report.json"])
    parameters = {r[0]: r[1] for r in rows_of(files[f"reports/{report['parameterURL']}"])[1:]}
    facts = []
    for table_id, table in report["tables"].items():
        template = report["tableTemplates"][table.get("template", table_id)]
        header, *rows = rows_of(files[f"reports/{table['url']}"])
        for number, row in enumerate(rows, 2):
            cells = dict(zip(header, row, strict=True))
            values = parameters | {k: v for k, v in cells.items() if v != ""}
            for name, column in template["columns"].items():
                # A column without dimensions is a property column: it gives values to others.
                if "dimensions" not in column or cells[name] == "":
                    continue
                dimensions = report["dimensions"] | template.get("dimensions", {}) | column["dimensions"]
                known = {
                    k: values[v[1:]] if v.startswith("$") else v
                    for k, v in dimensions.items()
                    if not v.startswith("$") or v[1:] in values
                }
                value = cells[name][1:] if cells[name].startswith("##") else cells[name]
                facts.append(
                    {"table": table_id, "row": number, "value": value, "decimals": column.get("decimals"), **known}
                )
    return facts


def test_a_reader_of_the_specification_finds_the_figures_of_the_run(place):
    _, files = unpacked((place / "stress.xbr").read_bytes())
    facts = facts_by_the_book(files)
    keys = [
        tuple(sorted((k, v) for k, v in f.items() if k not in ("table", "row", "value", "decimals"))) for f in facts
    ]
    assert len(set(keys)) == len(keys), "no fact twice"
    assert {f["entity"] for f in facts} == {"lei:STRESSLABEXAMPLE0094"}
    outcomes = pd.read_parquet(place / "run" / "outcomes.parquet")
    estimates = pd.read_parquet(place / "run" / "estimates.parquet")
    found = {
        (f[f"{PREFIX}:ScenarioAxis"], f[f"{PREFIX}:PlatformAxis"], f[f"{PREFIX}:StatisticAxis"]): f
        for f in facts
        if f["concept"] == "sl:Deficit" and "sl:PartAxis" not in f
    }
    for (scenario, platform), paths in outcomes.groupby(["scenario", "platform_id"], observed=True):
        fact = found[scenario, platform, "sl:StatisticMean"]
        assert Decimal(fact["value"]) == pytest.approx(
            Decimal(int(paths["deficit_li"].sum())) / len(paths) / 1000, abs=Decimal("0.001")
        )
        assert (fact["unit"], fact["decimals"]) == ("iso4217:CNY", 3)
    # Every estimate of the whole run that is not null is reported, and nothing else.
    whole = estimates[
        (estimates["day"] == 0) & ~((estimates["measure"] == "first_unpaid_day") & (estimates["statistic"] == "median"))
    ]
    tables = ("figures", "figure_errors", "probabilities", "probability_errors")
    told = sum(f["table"] in tables for f in facts) + sum(f["concept"] == "sl:FirstUnpaidDay" for f in facts)
    assert told == int(whole[["value", "error", "low", "high"]].notna().sum().sum())


def test_the_layers_are_those_of_one_path_and_of_the_mean(place):
    _, files = unpacked((place / "small.xbr").read_bytes())
    facts = {
        (f["sl:PlatformAxis"], f["sl:StatisticAxis"], f["concept"]): f["value"]
        for f in facts_by_the_book(files)
        if f["table"] == "layers"
    }
    outcomes = pd.read_parquet(place / "small" / "outcomes.parquet")
    assert outcomes["deficit_li"].max() > 0, "the test needs a deficit"
    for platform, paths in [
        *outcomes.groupby("platform_id", observed=True),
        ("ALL", outcomes.groupby("path").sum(numeric_only=True)),
    ]:
        deficit = [int(v) for v in paths["deficit_li"]]
        hardest = paths.iloc[deficit.index(max(deficit))]
        for concept, column in (
            ("LayeredDeficit", "deficit_li"),
            ("BorneByReserve", "absorbed_by_reserve_li"),
            ("LoansEnd", "loans_end_li"),
        ):
            li = [int(v) for v in paths[column]]
            assert Decimal(facts[platform, "sl:StatisticWorstPath", f"sl:{concept}"]) * 1000 == int(hardest[column])
            assert Decimal(facts[platform, "sl:StatisticMean", f"sl:{concept}"]) * 1000 == round(
                Fraction(sum(li), len(li))
            )
        for statistic in ("Mean", "WorstPath"):
            assert (
                facts[platform, f"sl:Statistic{statistic}", "sl:AssetsEnd"]
                == facts[platform, f"sl:Statistic{statistic}", "sl:LiabilitiesEnd"]
            )


def test_errors_of_the_triple_are_those_of_the_estimates(place, tmp_path):
    verbs.run(
        place / "book", ["mild", "moderate", "severe"], paths=6, seed=3, out=tmp_path / "run", sampling="antithetic"
    )
    _, files = unpacked(submit(tmp_path / "run", out=tmp_path / "x.xbr").package.read_bytes())
    facts = facts_by_the_book(files)
    assert [f["value"] for f in facts if f["concept"] == "sl:Sampling"] == ["antithetic"]
    outcomes = pd.read_parquet(tmp_path / "run" / "outcomes.parquet")
    mine = outcomes[(outcomes["scenario"] == "severe") & (outcomes["platform_id"] == "P2")].sort_values("path")
    own = (mine["reserve_end_li"] + mine["own_capital_end_li"]).to_numpy() / 1000
    # Three mirrored pairs: only their means are independent.
    pairs = own.reshape(3, 2).mean(axis=1)
    found = {
        (f["sl:PlatformAxis"], f["concept"]): float(f["value"])
        for f in facts
        if f.get("sl:SeverityAxis") == "sl:SeveritySevere" and f["concept"].startswith("sl:OwnFundsAfter")
    }
    assert found["P2", "sl:OwnFundsAfter"] == pytest.approx(own.mean(), abs=0.001)
    assert found["P2", "sl:OwnFundsAfterError"] == pytest.approx(pairs.std(ddof=1) / np.sqrt(3), abs=0.001)


def test_frictionless_reads_the_tables(place, tmp_path):
    """A validator of data packages, with a schema made from the package's own table constraints."""
    frictionless = pytest.importorskip("frictionless")
    for name in ("small", "periodic"):
        _, files = unpacked((place / f"{name}.xbr").read_bytes())
        report = json.loads(files["reports/report.json"])
        assert frictionless_errors(frictionless, report, files, tmp_path) == []
    rows = rows_of(files["reports/largest.csv"])
    rows[3][rows[0].index("LargestAmount")] = "much"
    found = frictionless_errors(frictionless, report, files | {"reports/largest.csv": text_of(rows)}, tmp_path)
    assert found == [("type-error", 4, "LargestAmount")]


def frictionless_errors(
    frictionless: Any, report: dict[str, Any], files: Files, folder: Path
) -> list[tuple[str, int, str]]:
    kinds = {"xs:decimal": "number", "xs:integer": "integer", "xs:boolean": "boolean", "xs:date": "date"}
    found = []
    for name in report["tables"]:
        template = report["tableTemplates"][name]
        fields = []
        for column, rule in template["columns"].items():
            tc = rule["tc:constraints"]
            limits = {"enum": tc["enumerationValues"]} if "enumerationValues" in tc else {}
            limits |= {"minimum": tc["minInclusive"]} if "minInclusive" in tc else {}
            fields.append(
                {
                    "name": column,
                    "type": kinds.get(tc["type"], "string"),
                    "constraints": {"required": not tc.get("optional", False), **limits},
                }
            )
        keys = template.get("tc:keys", {}).get("unique", [{"fields": []}])[0]["fields"]
        (folder / f"{name}.csv").write_bytes(files[f"reports/{name}.csv"].encode())
        with frictionless.system.use_context(trusted=True):
            schema_of = frictionless.Schema.from_descriptor(
                {"fields": fields, **({"primaryKey": keys} if keys else {})}
            )
            told = frictionless.Resource(path=str(folder / f"{name}.csv"), schema=schema_of).validate()
        found += [(e.type, e.row_number, e.field_name) for task in told.tasks for e in task.errors]
    return found


# --- the workbook -------------------------------------------------------------------------------


def test_the_workbook_says_what_the_package_says(place, tmp_path):
    hostile = ENTITY.replace('"Li Hua"', f"'{HOSTILE}'")
    (tmp_path / "entity.toml").write_text(hostile, encoding="utf-8")
    made = submit(place / "run", out=tmp_path / "x.xbr", entity=tmp_path / "entity.toml")
    book = openpyxl.load_workbook(made.workbook)
    cells = [c for sheet in book for row in sheet.iter_rows() for c in row if c.value is not None]
    assert not any(
        c.data_type == "f" or (isinstance(c.value, str) and c.value.startswith(("=", "-1", "@"))) for c in cells
    )
    texts = {str(c.value) for c in cells}
    assert {f"'{HOSTILE}", "STRESSLABEXAMPLE0094", "Chief risk officer", "2026-10-20", "1"} <= {
        t.removeprefix("lei:") for t in texts
    }
    assert any("A forced sale was executed" in t for t in texts)
    assert any("Funding became dearer" in t for t in texts)
    triple = book["Triple 三档情景"]
    _, files = unpacked(made.package.read_bytes())
    facts = {
        (f["sl:SeverityAxis"], f["sl:PlatformAxis"]): f["value"]
        for f in facts_by_the_book(files)
        if f["concept"] == "sl:OwnFundsAfter"
    }
    shown = [[c.value for c in row] for row in triple.iter_rows(max_col=4)]
    first = next(row for row in shown if str(row[0]).startswith("Own funds after, mean"))
    assert first[1:] == [float(facts[f"sl:Severity{s}", "P1"]) for s in ("Mild", "Moderate", "Severe")]
    # A reader of the package warns of the same text, which stays as it was written there.
    assert [(f.row, f.column) for f in structural(made.package.read_bytes()) if f.code == "S-17"] == [
        (2, "AttestationName")
    ]


def test_a_telephone_number_is_no_formula():
    assert harmless("+86 10 0000 0000") == "+86 10 0000 0000"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "|x", "%x", "+1234567+A1"])
def test_no_text_becomes_a_formula(text):
    assert harmless(text) == f"'{text}"


def test_the_page_says_it_escaped_in_both_languages(place, tmp_path):
    (tmp_path / "entity.toml").write_text(ENTITY.replace('"Li Hua"', "'<b>Li</b> & Hua'"), encoding="utf-8")
    made = submit(place / "run", out=tmp_path / "x.xbr", entity=tmp_path / "entity.toml")
    html = made.page.read_text(encoding="utf-8")
    assert "&lt;b&gt;Li&lt;/b&gt; &amp; Hua" in html
    assert "<b>" not in html
    for text in (
        "The book is synthetic",
        "签署",
        "Own funds after, mean",
        "轻度",
        "Funding became dearer",
        "A forced sale was executed",
    ):
        assert text in html
    assert not re.search(r"(?:src|href)=|url\(|@import", html), "the page asks for nothing"
    draft = submit(place / "run", out=tmp_path / "draft.xbr").page.read_text(encoding="utf-8")
    assert "nobody has attested it" in draft
    assert "nobody has attested it" not in html


def test_the_page_becomes_a_pdf_with_the_same_bytes(place, tmp_path):
    pytest.importorskip("weasyprint")
    for name in ("a", "b"):
        submit(place / "run", out=tmp_path / name / "x.xbr", entity=place / "entity.toml", as_pdf=True)
    assert (tmp_path / "a" / "x.pdf").read_bytes() == (tmp_path / "b" / "x.pdf").read_bytes()
    assert (tmp_path / "a" / "x.pdf").read_bytes().startswith(b"%PDF")


# --- equal bytes --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_the_same_run_gives_the_same_bytes(place, tmp_path, form):
    verbs.run(
        place / "book", ["mild", "moderate", "severe"], paths=5, seed=1, out=tmp_path / "elsewhere", block_paths=2
    )
    made = submit(
        tmp_path / "elsewhere", out=tmp_path / "deep" / "other-name.xbr", form=form, entity=place / "entity.toml"
    )
    assert made.package.read_bytes() == (place / f"{form}.xbr").read_bytes()
    assert made.workbook.read_bytes() == (place / f"{form}.xlsx").read_bytes()
    assert made.page.read_bytes() == (place / f"{form}.html").read_bytes()


def test_the_taxonomy_is_whole_and_in_both_languages():
    files = taxonomy_files()
    for name, text in files.items():
        ElementTree.fromstring(text.encode())
        assert name.isascii()
    told = {}
    for language in ("en", "zh"):
        tree = ElementTree.fromstring(files[f"taxonomy/labels-{language}.xml"].encode())
        labels = list(tree.iter("{http://www.xbrl.org/2003/linkbase}label"))
        told[language] = {e.get("{http://www.w3.org/1999/xlink}label"): e.text for e in labels}
        assert all(e.text and e.text.strip() for e in labels)
    assert told["en"].keys() == told["zh"].keys()
    for concept in concepts():
        assert re.search("[\u4e00-\u9fff]", told["zh"][f"label_{concept.name}"]), concept.name
        if concept.formula:
            assert concept.formula in told["en"][f"documentation_{concept.name}"]
    assert len({c.name for c in concepts()}) == len(concepts()) > 100
    names = [c.name for c in concepts()]
    definition = files["taxonomy/stress-definition.xml"] + files["taxonomy/periodic-definition.xml"]
    assert all(f'xlink:to="{name}"' in definition for name in names)
    assert definition.count('xbrldt:closed="true"') == sum(len(f.tables) for f in FORMS.values())


# --- refusals -----------------------------------------------------------------------------------


def copied(place: Path, folder: Path) -> Path:
    return Path(shutil.copytree(place / "small", folder / "run"))


def rewritten(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Other outcomes, with a record whose digests fit."""
    outcomes = change(pd.read_parquet(folder / "outcomes.parquet"))
    write_table(folder / "outcomes.parquet", pa.Table.from_pandas(outcomes, schema("outcomes"), preserve_index=False))
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    record["outputs"]["outcomes.parquet"] = file_digest(folder / "outcomes.parquet")
    write_json(folder / "record.json", record)


def refused(folder: Path, tmp_path: Path, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        submit(folder, out=tmp_path / "x.xbr")
    assert not (tmp_path / "x.xbr").exists()
    assert not (tmp_path / "x.xlsx").exists()


def test_an_unfinished_run_is_refused(place, tmp_path):
    folder = copied(place, tmp_path)
    (folder / "blocks").mkdir()
    refused(folder, tmp_path, "unfinished blocks")
    (folder / "record.json").unlink()
    refused(folder, tmp_path, "no finished run")


def test_a_changed_or_missing_file_is_refused(place, tmp_path):
    folder = copied(place, tmp_path)
    with (folder / "report.html").open("a") as stream:
        stream.write(" ")
    (folder / "days.parquet").unlink()
    with pytest.raises(InputError) as caught:
        submit(folder, out=tmp_path / "x.xbr")
    assert [f.value for f in caught.value.faults] == ["days.parquet", "report.html"]


def test_a_run_that_does_not_balance_is_refused(place, tmp_path):
    folder = copied(place, tmp_path)

    def shift(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
        return lambda o: o.assign(**{column: o[column] + np.where(o.index == 4, 1, 0)})

    rewritten(folder, shift("cash_end_li"))
    refused(folder, tmp_path, "do not balance at the end")
    rewritten(folder, shift("absorbed_by_reserve_li"))
    refused(folder, tmp_path, "do not add up to the deficit")


def test_a_run_with_a_path_missing_is_refused(place, tmp_path):
    folder = copied(place, tmp_path)
    rewritten(folder, lambda o: o.iloc[:-1])
    refused(folder, tmp_path, "each of the 3 paths must have one row")


def test_a_run_folder_holds_the_run_alone(place, tmp_path):
    folder = copied(place, tmp_path)
    with pytest.raises(InputError, match="holds the run alone"):
        submit(folder, out=folder / "report.xbr")


def test_options_are_refused(place, tmp_path):
    with pytest.raises(InputError) as caught:
        submit(place / "small", out=tmp_path / "x.zip", form="stres")
    assert [(f.column, f.way_out) for f in caught.value.faults] == [
        ("form", "did you mean 'stress'?"),
        ("out", "name it like submission.xbr"),
    ]


# --- the entity ---------------------------------------------------------------------------------


def test_the_entity_file_of_the_documents_is_sound(place):
    made = read_entity(place / "entity.toml")
    assert (made.qname, made.resubmission, made.attestation.given) == ("lei:STRESSLABEXAMPLE0094", 1, True)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (("0094", "0095"), "identifier"),
        (('scheme = "lei"', 'scheme = "bic"'), "scheme"),
        (("given = true ", "given = false "), "attestation.given"),
        (("resubmission = 1 ", "resubmission = 0 "), "resubmission_reason"),
        (("resubmission = 1 ", "resubmission = -1 "), "resubmission"),
        (('name = "Li Hua"\n', ""), "attestation.name"),
        (("date = 2026-10-20", 'date = "soon"'), "attestation.date"),
        (('topic = "result_severe"', 'topic = "weather"'), "narratives.0.topic"),
        (("[contact]", "[contakt]"), "contakt"),
        (("before_pct = 7.2", "before_pct = -7.2"), "rate_changes.0.before_pct"),
        (("[triple] ", "[triple]\nextra = 1\n#"), "triple.extra"),
    ],
)
def test_a_fault_of_the_entity_file_is_named(tmp_path, change, column):
    assert change[0] in ENTITY
    (tmp_path / "entity.toml").write_text(ENTITY.replace(*change, 1), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_entity(tmp_path / "entity.toml")
    assert column in [f.column for f in caught.value.faults]


def test_a_triple_that_the_run_does_not_have_is_refused(place, tmp_path):
    (tmp_path / "entity.toml").write_text(ENTITY.replace('mild = "mild"', 'mild = "calm"'), encoding="utf-8")
    with pytest.raises(InputError, match="the run has no such scenario"):
        submit(place / "run", out=tmp_path / "x.xbr", entity=tmp_path / "entity.toml")


@pytest.mark.parametrize(
    ("scheme", "identifier", "sound"),
    [
        ("lei", "54930084UKLVMY22DS16", True),  # the worked example of ISO 17442
        ("lei", "54930084UKLVMY22DS61", False),
        ("lei", "54930084ukLVMY22DS16", False),
        ("lei", "", False),
        ("uscc", "91350100M000100Y43", True),  # the worked example of GB 32100-2015
        ("uscc", "91350100M000100Y44", False),
        ("uscc", "91350100M000100I43", False),
        ("draft", "NONE", False),
    ],
)
def test_check_digits(scheme, identifier, sound):
    assert sound_identifier(scheme, identifier) is sound


# --- the command line ---------------------------------------------------------------------------


def test_the_command_line_writes_and_checks(place, tmp_path, said):
    code, out, err = said("submit", place / "small", "--out", tmp_path / "x.xbr")
    assert (code, err) == (0, "")
    assert "a draft: nobody attested it" in out
    code, out, _ = said("submit", "--check", tmp_path / "x.xbr", "--without-arelle", "--lang", "zh")
    assert code == 0
    assert "警告 S-10" in out
    assert "未经Arelle校验" in out
    (tmp_path / "bad.xbr").write_bytes(broken_package(place, "rate above one"))
    code, out, err = said("submit", "--check", tmp_path / "bad.xbr", "--without-arelle")
    assert (code, err) == (1, "")
    assert "error S-27: reports/figures.csv row 5, ForcedSaleRate = '1.35000000'" in out
    code, out, _ = said("submit", "--check", tmp_path / "bad.xbr", "--without-arelle", "--json")
    assert (code, json.loads(out)["findings"][0]["row"]) == (1, 5)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("run",),
        ("run", "--check", "x.xbr"),
        ("--check", "absent.xbr"),
        ("run", "--out", "x.xbr", "--form", "other"),
    ],
)
def test_what_cannot_be_done_is_said(words, said):
    code, out, err = said("submit", *words)
    assert (code, out) == (2, "")
    assert err


def test_the_documents_list_every_rule():
    source = (Path(structural.__code__.co_filename)).read_text(encoding="utf-8") + (
        Path(structural.__code__.co_filename).with_name("concepts.py")
    ).read_text(encoding="utf-8")
    page = (DOCS / "submission.md").read_text(encoding="utf-8")
    rules = set(re.findall(r'"(S-\d\d)"', source))
    assert len(rules) > 20
    assert rules == set(re.findall(r"S-\d\d", page))
    assert tomllib.loads(ENTITY)["scheme"] == "lei"
