"""The pages are built without a warning and lead somewhere; what they tell people to type works, and so do the examples of --help."""

from __future__ import annotations

import ctypes.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import documents
import pytest
import typer
from documents import DOCS, QUICK, ROOT, WHOLE, call, commands, follow, steps

from stresslab import cli

README, EVERY, HAND = ROOT / "README.md", DOCS / "verbs.md", DOCS / "by-hand.md"
SUBMISSION, TERMINAL = DOCS / "submission.md", DOCS / "terminal.md"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
#: Pages with commands that take for granted a book ``my-book`` and a run ``my-run`` of it.
ON_A_RUN = [p for p in PAGES if p not in (README, EVERY, HAND, *WHOLE) and p.name not in documents.CLUSTERS and commands(p)]
GROUP: Any = typer.main.get_command(cli.app)
EXAMPLES = {verb: re.findall(r"Example: (stresslab .*)", command.help or "") for verb, command in GROUP.commands.items()}


def parsed(words: list[str]) -> str:
    """Let the command line's own parser read a command without doing it; its verb. What it refuses it raises."""
    words = cli._one_by_one(words)
    with GROUP.make_context("stresslab", words) as context:
        verb, command, rest = GROUP.resolve_command(context, [*context._protected_args, *context.args])
        with command.make_context(verb, rest, parent=context):
            return str(verb)


@pytest.mark.parametrize("verb", sorted(EXAMPLES))
def test_every_example_of_help_is_right(verb: str) -> None:
    assert EXAMPLES[verb], f"{verb} --help shows no example"
    for line in EXAMPLES[verb]:
        (step,) = documents._command(1, "    " + line)
        assert parsed(list(step.words[1:])) == verb


@pytest.mark.parametrize("line", ["stresslab run --book b --scenarios c --out r", "stresslab rnu", "stresslab run --book b --out r",
                                  "stresslab run --book b --scenario c --out r --paths many"])
def test_a_wrong_example_would_be_noticed(line: str) -> None:
    with pytest.raises(typer.TyperException):
        parsed(line.split()[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_command_of_a_page_is_read_by_the_parser(page: Path) -> None:
    for step in commands(page):
        if step.words[0] == "stresslab":
            assert parsed(list(step.words[1:])) == next(w for w in step.words[1:] if not w.startswith("-")), step


def test_pages_are_found_and_read() -> None:
    assert {p.stem for p in WHOLE} >= {"tutorial", "bring-your-own-book", "read-a-replay", "search-for-a-policy"}
    assert len(WHOLE) >= 10
    for page in WHOLE:
        assert len(commands(page)) >= 3, page.name
    files = {step.name for page in WHOLE for step in steps(page) if isinstance(step, documents.File)}
    assert files >= {"small-book/accounts.csv", "my-rule.toml", "entity.toml", "bad-summer.toml", "make_history.py", "plans.toml"}


def test_a_page_that_does_not_work_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Do this:\n\n    stresslab check nowhere    # exit code 2\n\n```\nstresslab rate nowhere\n```\n", encoding="utf-8")
    assert [s.code for s in commands(page)] == [2, 0]
    with pytest.raises(AssertionError, match="line 6: stresslab rate nowhere\nexit code 2, not 0"):
        follow(page, tmp_path)


@pytest.mark.parametrize("page", [pytest.param(p, marks=() if p == QUICK else pytest.mark.long) for p in WHOLE], ids=lambda p: p.stem)
def test_a_page_can_be_followed(page: Path, tmp_path: Path) -> None:
    assert follow(page, tmp_path) == len(commands(page))


# --- pages that take for granted that one has files of one's own ----------------------------------


def smaller(words: tuple[str, ...]) -> tuple[str, ...]:
    """A command of the README with a small book and few paths, where it does not say how many."""
    verb = words[1]
    if verb == "init":
        words = (*words, "--accounts", "500")
    if verb in ("demo", "run", "reverse", "policy") and "--paths" not in words:
        words = (*words, "--paths", "4")
    if verb == "backtest":
        words = (*words, "--repetitions", "20")
    return words


def all_of(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for step in commands(page):
        if step.words[0] != "stresslab" or ("pdf" in step.words and ctypes.util.find_library("pango-1.0") is None):
            continue
        code, out, err = call(smaller(step.words))
        allowed = (0, 1) if "--fail-on" in step.words else (step.code,)
        assert code in allowed, f"{page.name}, line {step.line}: {' '.join(step.words)}\n{code}\n{out[-1500:]}{err[-1500:]}"


@pytest.mark.long
@pytest.mark.filterwarnings("default")
def test_every_command_of_the_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stresslab.early_warning.shipped import shipped_history

    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "notebooks" / "one_account", tmp_path / "notebooks" / "one_account")
    shutil.copy(ROOT / "stresslab" / "rating_scale.toml", "my-scale.toml")
    shutil.copy(ROOT / "stresslab" / "early_warning" / "rule.toml", "my-rule.toml")
    for step in steps(DOCS / "how-to" / "report-against-last-quarter.md"):
        if isinstance(step, documents.File):
            Path(step.name).write_text(step.text, encoding="utf-8")
    Path("crises.csv").write_text("start,end,name\n2007-10-09,2009-03-09,credit\n2000-03-24,2002-10-09,internet\n", encoding="utf-8")
    index = shipped_history().index.query("index_id == 'SP500'").assign(index_id="000300.SH")
    Path("my-history").mkdir()
    index.to_csv("my-history/index.csv", index=False)
    for words in (["init", "last-book", "--seed", "2"],
                  ["run", "--book", "last-book", "--scenario", "baseline", "--scenario", "crash-40", "--out", "last-run"]):
        assert call(smaller(("stresslab", *words)))[0] == 0
    for page in (README, EVERY, HAND):
        all_of(page, tmp_path, monkeypatch)
        # Each page begins with a book of its own.
        for made in ("my-book", "my-run"):
            shutil.rmtree(made, ignore_errors=True)


@pytest.mark.long
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("page", ON_A_RUN, ids=lambda p: p.stem)
def test_every_command_on_a_run_works(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    entity = re.search(r"```toml\n(.*?)```", SUBMISSION.read_text(encoding="utf-8"), re.DOTALL)
    assert entity
    Path("entity.toml").write_text(entity[1], encoding="utf-8")
    scenarios = [word for name in ("baseline", "crash-40", "mild", "moderate", "severe") for word in ("--scenario", name)]
    for words in (["init", "my-book"], ["run", "--book", "my-book", *scenarios, "--out", "my-run"]):
        assert call(smaller(("stresslab", *words)))[0] == 0
    all_of(page, tmp_path, monkeypatch)


def test_no_command_is_left_out() -> None:
    assert SUBMISSION in ON_A_RUN
    followed = {*WHOLE, README, EVERY, HAND, *ON_A_RUN}
    for page in PAGES:
        assert page in followed or page.name in documents.CLUSTERS or not commands(page), page.name


# --- the table of what each verb can do -----------------------------------------------------------


def test_the_table_of_verbs_is_true() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", TERMINAL.read_text(encoding="utf-8"), re.MULTILINE)
    told = {verb: [cell.strip() for cell in cells.split("|")] for verb, cells in rows}
    assert sorted(told) == sorted(GROUP.commands)
    for verb, (as_json, quiet, lang, _progress, again) in told.items():
        options = {name for p in GROUP.commands[verb].params for name in p.opts}
        assert as_json.startswith("yes") == ("--json" in options), verb
        assert (quiet == "yes") == ("--quiet" in options), verb
        assert (lang == "en, zh") == ("--lang" in options), verb
        assert again.startswith(("goes on", "starts anew")), verb


# --- the build ------------------------------------------------------------------------------------


class Links(HTMLParser):
    """Ids, links and what a page fetches."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        self.ids.add(held.get("id") or "")
        if tag == "a":
            self.links.append(held.get("href") or "")
        elif held.get("src") or (tag == "link" and held.get("rel") in ("stylesheet", "icon")):
            self.fetched.append(held.get("src") or held.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Links]:
    pytest.importorskip("sphinx", reason="the extra [docs] is not installed")
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(DOCS), str(out)]
    built = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    return {page.relative_to(out): Links(page) for page in out.rglob("*.html")} | {Path(): Links(out / "index.html")}


def test_all_pages_are_built(site: dict[Path, Links]) -> None:
    for page in DOCS.rglob("*.md"):
        assert page.relative_to(DOCS).with_suffix(".html") in site


def outside(link: str) -> bool:
    return re.match(r"[a-z]+:|//", link) is not None


def test_nothing_is_fetched_from_elsewhere(site: dict[Path, Links]) -> None:
    for page, held in site.items():
        assert held.fetched
        assert not [one for one in held.fetched if outside(one)], page


def test_links_between_pages_lead_somewhere(site: dict[Path, Links]) -> None:
    checked = 0
    for page, held in site.items():
        for link in held.links:
            if not link or outside(link) or "_downloads" in link:
                continue
            target, _, anchor = unquote(link).partition("#")
            parts = [*page.parent.parts, *target.split("/")] if target else list(page.parts)
            at = Path(*normal(parts))
            assert at in site, (page, link)
            assert not anchor or anchor in site[at].ids, (page, link)
            checked += 1
    assert checked > 1000


def normal(parts: list[str]) -> Iterator[str]:
    kept: list[str] = []
    for part in parts:
        if part == "..":
            kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    yield from kept


def test_every_formula_has_its_anchor_and_mentions_lead_to_it(site: dict[Path, Links]) -> None:
    numbers = re.findall(r"\*\*\((M-\d+)\)", (DOCS / "method.md").read_text(encoding="utf-8"))
    assert len(numbers) > 150
    assert {n.lower() for n in numbers} <= site[Path("method.html")].ids
    assert "../method.html#m-64" in site[Path("how-to/choose-sampling-and-tail.html")].links

