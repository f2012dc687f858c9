# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a scenario to a submission 从情景到报送
#
# A scenario is one TOML file. This notebook writes one, gets it wrong first, runs it on a synthetic book beside the mild and moderate
# scenarios that ship, and files the result: one xBRL-CSV package with its own taxonomy, checked row by row, a workbook and a page to sign
# beside it. Book, entity and numbers are invented. Formula numbers (M-…) are those of `docs/method.md`; rules of the check (S-…) stand in
# `docs/submission.md`.

# %%
import csv
import io
import json
import tempfile
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import stresslab as sl

FOLDER = Path(tempfile.mkdtemp())
PATHS = 40

# %% [markdown]
# ## A scenario 情景文件
#
# What is supposed, and where every number comes from: a fall of 30% in twenty days, rates 1.5 points up, the largest clients take out a
# fifth, margin calls answered less often as the market falls. Three mistakes are in it.

# %%
TEXT = """
id = "my-severe"
title = "Autumn slump"
title_zh = "秋季急跌"
purpose = "Market down 30%, rates up 150 bp, the largest clients take out a fifth"
purpose_zh = "市场下跌30%、利率上升150个基点、最大客户赎回五分之一"
days = 60

[market.crash]
index = "market"
definition = "terminal"
depth_pct = 130
trough_day = 20
shape = "bridge"
after = "free"
source = "assumption of this notebook"

[rates]
shock_pct = 1.5
day = 1
source = "assumption of this notebook"

[redemption]
share_pct = 20
who = "top_client"
start_day = 5
over_days = 5
source = "assumption of this notebook: the supervisory shock of 20%"

[liquidity]
impact = "sqrt"
impact_coefficient = 1.0
participation_pct = 20
permanent_share_pct = 50
half_life_days = 5
expected_impact_pct = 1
rounds_max = 50
pool_haircut_pct = 3
source = "as in the scenarios that ship"

[behaviour]
grace_days = 2
mood_pct = 100
source = "as in the scenarios that ship"

[behaviour.answer_pct]
retail = 50
professional = 65
institution = 90

[operations]
payment_grace_day = 1
after_failure = "held"
"""
scenario = FOLDER / "my-severe.toml"
scenario.write_text(TEXT, encoding="utf-8")
try:
    sl.read_scenario(scenario)
except sl.InputError as refused:
    faults = refused.faults
for fault in faults:
    print(fault)
assert len(faults) >= 3

# %% [markdown]
# All faults come at once, each with the key, the value, the rule that it breaks and a way out. Put right:

# %%
RIGHT = TEXT.replace("depth_pct = 130", "depth_pct = 30").replace('"top_client"', '"top_clients"').replace("grace_day =", "grace_days =")
scenario.write_text(RIGHT, encoding="utf-8")
read = sl.read_scenario(scenario)
print(read.id, read.days, read.market.crash.depth_pct)

# %% [markdown]
# ## A run 运行
#
# `init` writes a book as files; a real one would come from the platform's own systems, in the same tables (`docs/data.md`). Three
# scenarios on the same paths: each path meets the same draws in all of them (M-5).

# %%
sl.init(FOLDER / "book", accounts=600)
run = sl.run(FOLDER / "book", ["mild", "moderate", scenario], paths=PATHS, seed=7, out=FOLDER / "run")
means = run.estimates[(run.estimates["statistic"] == "mean") & (run.estimates["platform_id"] == "ALL")]
shown = ["margin_call_peak", "sold", "deficit", "loss_with_impact"]
table = means[means["measure"].isin(shown)].copy()
table["text"] = table["value"].map("{:,.0f}".format) + " ± " + table["error"].map("{:,.0f}".format)
print(table.pivot(index="measure", columns="scenario", values="text").loc[shown, ["mild", "moderate", "my-severe"]].to_string())

# %% [markdown]
# ## Who files 报送主体
#
# The entity says who it is, which scenarios are the triple, who answers for the data, what the results mean and what went wrong in the
# quarter. Without this file the package is a draft and says so.

# %%
severe = means[means["scenario"] == "my-severe"].set_index("measure")
deficit = severe.loc["deficit"]
borne = 100 * severe.loc[["absorbed_by_reserve", "absorbed_by_own_capital"], "value"].sum() / deficit["value"]
entity = FOLDER / "entity.toml"
entity.write_text(f"""
scheme = "lei"
identifier = "STRESSLABEXAMPLE0094"   # invented; its check digits are sound
name = "Example Securities 示例证券"

[attestation]
name = "Li Hua"
position = "Chief risk officer"
date = 2026-10-20
given = true

[contact]
name = "Wang Fang"
phone = "+86 10 0000 0000"
mail = "risk@example.org"

[triple]
mild = "mild"
moderate = "moderate"
severe = "my-severe"

[[narratives]]
topic = "result_severe"
language = "en"
text = "Given the slump, {deficit['value']:,.0f} yuan (± {deficit['error']:,.0f}) become deficits; own funds bear {borne:.0f}% of them."

[[narratives]]
topic = "result_severe"
language = "zh"
text = "在急跌情景下，平均穿仓{deficit['value']:,.0f}元（标准误{deficit['error']:,.0f}元），其中{borne:.0f}%由自有资金承担。"

[[narratives]]
topic = "measures"
language = "en"
text = "No new contracts above a leverage of 3; a committed line is being negotiated."

[[narratives]]
topic = "governance"
language = "en"
text = "The risk committee took note of the results on 15 October 2026."

[[events]]
kind = "complaint"
date = 2026-08-03
count = 2
description = "A forced sale before the grace period ended"
resolved = true
""", encoding="utf-8")
filed = sl.submit(run.folder, out=FOLDER / "quarter.xbr", entity=entity)
size = filed.package.stat().st_size / 1024
print(f"{filed.package.name}: {filed.tables} tables, {filed.facts:,} facts, {size:.0f} KB; draft: {filed.draft}")
print("beside it:", filed.workbook.name, filed.page.name)

# The same run and the same entity give the same bytes.
again = sl.submit(run.folder, out=FOLDER / "again.xbr", entity=entity)
assert filed.package.read_bytes() == again.package.read_bytes()

# %% [markdown]
# ## What is in it 包内文件
#
# One ZIP: metadata, the taxonomy in both languages, and tables that a spreadsheet can open. Shares are decimals, money is yuan to the 厘.

# %%
with zipfile.ZipFile(filed.package) as archive:
    files = {name.split("/", 1)[1]: archive.read(name).decode("utf-8") for name in archive.namelist()}
for name, text in files.items():
    print(f"{len(text):>8,}  {name}")


def reported(name: str) -> pd.DataFrame:
    """Return a table of the package, as text."""
    return pd.read_csv(io.StringIO(files[f"reports/{name}.csv"]), dtype=str, keep_default_na=False)


layers = reported("layers")
print(layers.iloc[:3, :9].T.to_string())

# %% [markdown]
# The loss waterfall as it was filed: of each scenario and platform the path with the largest deficit (M-200). Reserve first, then own
# capital, junior funders, senior funders, clients (M-27). The check holds the parts against the total on every row.

# %%
BORNE = {
    "BorneByReserve": ("reserve", "#c9d8e6"), "BorneByOwnCapital": ("own capital", "#2f6ea5"),
    "BorneByJunior": ("junior funders", "#d9a520"), "BorneBySenior": ("senior funders", "#c2452d"),
    "BorneByClaims": ("clients", "#6b1f14"),
}
worst = layers[layers["statistic"] == "sl:StatisticWorstPath"].copy()
worst[list(BORNE)] = worst[list(BORNE)].astype(float) / 1e4
platforms = sorted(worst["platform"].unique())
figure, panels = plt.subplots(1, len(platforms), figsize=(13, 3.8))
for panel, platform in zip(panels, platforms, strict=True):
    part = worst[worst["platform"] == platform].set_index("scenario").loc[["mild", "moderate", "my-severe"]]
    below = 0.0
    for column, (title, color) in BORNE.items():
        panel.bar(part.index, part[column], bottom=below, color=color, label=title, width=0.6)
        below = below + part[column]
    panel.set_title("all platforms" if platform == "ALL" else platform, fontsize=10)
    panel.set_ylim(0, max(1.0, 1.1 * below.max()))
    assert (below * 1e4 - part["LayeredDeficit"].astype(float)).abs().max() < 0.001
panels[0].set_ylabel("deficit on the worst path, 10,000 yuan")
panels[0].legend(frameon=False, fontsize=9)
figure.tight_layout()

# %% [markdown]
# The triple, side by side with its sampling errors, is what the page prints. As the package has it:

# %%
triple = reported("triple").set_index(["platform", "severity"])
print(triple.loc["ALL"].T.to_string())
for row in reported("narratives").itertuples(index=False):
    print(f"[{row.topic.removeprefix('sl:Topic')}, {row.language}] {row.Narrative}")

# %% [markdown]
# ## The check 校验
#
# Our own checks always; Arelle, an XBRL processor that shares no code with them, where it is installed. Only a package without errors was
# written at all: `submit` reads back what it has made.

# %%
(found,) = sl.check_submission(filed.package)
for finding in found.findings:
    print(finding.said("en"))
print(f"may be sent: {found.ok}; read by Arelle: {found.arelle}; facts that it counted: {found.facts}")
assert found.ok


# %% [markdown]
# Somebody edits the package by hand: a borne amount, a share above one, a grade that does not exist, a row twice. Each is found, in its
# row, in the reader's language.


# %%
def changed(table: str, row: int, column: str, value: str) -> None:
    """Change a cell of the package; rows count as a spreadsheet does."""
    rows = list(csv.reader(io.StringIO(broken[f"reports/{table}.csv"], newline="")))
    rows[row - 1][rows[0].index(column)] = value
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    broken[f"reports/{table}.csv"] = out.getvalue()


broken = dict(files)
changed("layers", 11, "BorneByReserve", "7.000")
changed("figures", 5, "ForcedSaleRate", "1.35000000")
changed("ratings", 3, "GradeAfter", "sl:GradeZZZ")
broken["reports/events.csv"] += broken["reports/events.csv"].split("\r\n")[1] + "\r\n"
with zipfile.ZipFile(filed.package) as archive:
    root = archive.namelist()[0].split("/")[0]
with zipfile.ZipFile(FOLDER / "edited.xbr", "w") as archive:
    for name, text in broken.items():
        archive.writestr(f"{root}/{name}", text)
(edited,) = sl.check_submission(FOLDER / "edited.xbr", arelle=False)
for finding in edited.findings:
    print(finding.said("en"))
    print("   ", finding.said("zh"))
assert not edited.ok
assert {f"reports/{name}.csv" for name in ("layers", "figures", "ratings", "events")} <= {f.file for f in edited.findings}

# %% [markdown]
# ## What is never filed 拒绝报送
#
# A run whose tables are not those that its record describes is refused, whoever changed them, and so is one that does not balance.
# Nothing is written.

# %%
record = FOLDER / "run" / "record.json"
held = record.read_bytes()
told = json.loads(held)
told["outputs"]["outcomes.parquet"] = "0" * 64
record.write_text(json.dumps(told), encoding="utf-8")
try:
    sl.submit(run.folder, out=FOLDER / "never.xbr", entity=entity)
except sl.InputError as refused:
    for fault in refused.faults:
        print(fault)
assert not (FOLDER / "never.xbr").exists()
_ = record.write_bytes(held)

# %% [markdown]
# The second form reports the book alone (client structure, leverage, funding, concentration). Without the entity's file it is a draft.

# %%
data = sl.submit(run.folder, out=FOLDER / "quarter-data.xbr", form="periodic")
(found,) = sl.check_submission(data.package, arelle=False)
print(f"{data.tables} tables, {data.facts} facts; draft: {data.draft}; may be sent: {found.ok}")
for finding in found.findings:
    print(finding.said("en"))
