"""What a person at a terminal meets: pace and time left, a dashboard that answers, and Ctrl-C."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import stresslab
from stresslab import cli, farm, verbs
from stresslab.terminal import Pace, progress_bar

PROGRAM = [sys.executable, "-c", "from stresslab.cli import main; main()"]
SCENARIO, PATHS, BLOCK = "severe", 100, 1


# --- pace ---------------------------------------------------------------------------------------


def test_pace_counts_from_the_first_burst() -> None:
    pace = Pace()
    pace.told(100.0, 0, 1000)
    assert (pace.per_second, pace.said(150.0)) == (None, "")
    # A minute of compiling, then two workers that end nearly together: one burst.
    pace.told(160.0, 10, 1000)
    pace.told(161.0, 20, 1000)
    assert pace.per_second is None
    pace.told(170.0, 30, 1000)
    pace.told(180.0, 60, 1000)
    assert pace.per_second == pytest.approx((60 - 20) / (180 - 160))
    assert pace.left(180.0) == pytest.approx(940 / 2)
    assert pace.left(200.0) == pytest.approx(450)  # it goes down between blocks
    assert pace.said(180.0) == "2/s, 0:07:50 left"
    pace.told(1000.0, 1000, 1000)
    assert pace.said(1000.0) == "1.17/s"


def test_paths_of_an_earlier_start_do_not_count() -> None:
    pace = Pace()
    pace.told(0.0, 5000, 10_000)
    pace.told(10.0, 5010, 10_000)
    pace.told(20.0, 5020, 10_000)
    assert pace.per_second == pytest.approx(1.0)
    # A report runs several cases one behind the other: each has its own pace.
    pace.told(30.0, 0, 100)
    assert pace.per_second is None
    pace.told(31.0, 10, 100)
    pace.told(32.0, 2010, 4010)
    assert pace.said(32.0) == "2,000/s, 0:00:01 left"


def test_the_bar_shows_what_the_library_says(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(False) as told:
        assert told is not None
        told(0, 4)
        farm.SAID.info("Dask dashboard: %s", "http://127.0.0.1:1/status")
        told(4, 4)
    err = capsys.readouterr().err
    assert "Dask dashboard: http://127.0.0.1:1/status" in err
    assert "4/4" in err
    with progress_bar(True) as told:
        assert told is None
        farm.SAID.info("nobody asked")
    assert capsys.readouterr().err == ""
    assert not logging.getLogger("stresslab").handlers


# --- a dashboard that answers -------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, Any]]]:
    """An address that answers as it is told."""
    answer: dict[str, Any] = {"code": 200, "body": b"<html>bokeh plots</html>"}

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer["code"])
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}/status", answer
        served.shutdown()
        thread.join()


def test_a_dashboard_is_said_only_when_it_answers(server: tuple[str, dict[str, Any]], caplog: pytest.LogCaptureFixture) -> None:
    link, answer = server
    with caplog.at_level(logging.INFO, "stresslab"):
        farm._tell_dashboard(link)
        assert caplog.messages == [f"Dask dashboard: {link}"]
        caplog.clear()
        for wrong in ({"code": 404}, {"code": 500}, {"code": 200, "body": b"<p>Dask needs bokeh&gt;=3.1.0 for the dashboard.</p>"}):
            answer.update(wrong)
            farm._tell_dashboard(link)
        for nothing in ("http://127.0.0.1:9/status", "http://[::1/status", "inproc://nowhere", ""):
            farm._tell_dashboard(nothing)
        assert caplog.messages == []


# --- Ctrl-C -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    verbs.init(folder / "book", accounts=60)
    verbs.run(folder / "book", [SCENARIO], paths=PATHS, seed=1, out=folder / "whole", block_paths=BLOCK)
    return folder


def living(group: int) -> list[str]:
    """The processes of a group that still do something, by name (Linux)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = entry.read_text(encoding="utf-8").rpartition(")")
        except OSError:
            continue
        state, _parent, its_group = rest.split()[:3]
        if int(its_group) == group and state not in "ZX":
            found.append(name)
    return found


def interrupted(words: list[str], out: Path, times: int) -> tuple[int, str, str, int]:
    """Start a command in a group of its own, and press Ctrl-C when a block is finished; exit code, stdout, stderr, the group."""
    # A shell that starts the tests in the background ignores interrupts, and children inherit that.
    listening = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), "start_new_session": True}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*PROGRAM, *words], **pipes, text=True, **listening) as process:
        try:
            end = time.monotonic() + 120
            while not list(out.glob(f"blocks/{SCENARIO}/*.npz")) and process.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            for _ in range(times):
                os.killpg(process.pid, signal.SIGINT)  # what a terminal does
                time.sleep(0.2)
            said, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, said, err, process.pid


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="groups of processes are those of POSIX")
@pytest.mark.parametrize(("more", "times"), [
    pytest.param([], 1, id="threads"), pytest.param(["--workers", "2"], 2, id="workers", marks=pytest.mark.long)])
def test_ctrl_c_leaves_a_run_that_goes_on(more: list[str], times: int, place: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["run", "--book", str(place / "book"), "--scenario", SCENARIO, "--out", str(out), "--paths", str(PATHS),
             "--block-paths", str(BLOCK)]
    code, said, err, group = interrupted([*words, *more], out, times)
    assert (code, said) == (3, "")
    lines = [line for line in err.splitlines() if line.strip() and not line.startswith("cut by ")]
    assert lines[-1] == "stopped; the same command goes on where it stopped"
    assert len(lines) <= 2, err  # the bar's last line, and no word of the workers
    if Path("/proc/self/stat").exists():
        end = time.monotonic() + 5
        while living(group) and time.monotonic() < end:
            time.sleep(0.1)
        assert living(group) == []
    kept = len(list(out.glob(f"blocks/{SCENARIO}/*.npz")))
    assert 1 <= kept < PATHS // BLOCK
    assert not (out / "record.json").exists()

    told: list[int] = []
    verbs.run(place / "book", [SCENARIO], paths=PATHS, seed=1, out=out, block_paths=BLOCK, progress=lambda done, _: told.append(done))
    assert told[0] == kept * BLOCK
    for file in sorted(p for p in (place / "whole").rglob("*") if p.is_file() and p.name != "record.json"):
        assert (out / file.relative_to(place / "whole")).read_bytes() == file.read_bytes(), file.name


def test_a_stopped_demo_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setattr(verbs, "demo_book", lambda: stresslab.demo_book(20))
    monkeypatch.setattr(verbs, "DEMO_SCENARIOS", ("baseline", "crash-20"))
    monkeypatch.setattr(verbs.farm, "BLOCK_PATHS", 1)
    out = tmp_path / "demo"

    def die(done: int, total: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verbs.demo(out, paths=2, progress=die)
    kept = len(list(out.glob("blocks/*/*.npz")))
    told: list[int] = []
    verbs.demo(out, paths=2, progress=lambda done, _: told.append(done))
    assert told[0] == kept >= 2
    # One of other paths makes room.
    with pytest.raises(KeyboardInterrupt):
        verbs.demo(out, paths=3, progress=die)
    told.clear()
    with pytest.raises(KeyboardInterrupt):
        verbs.demo(out, paths=4, progress=lambda done, total: (told.append(done), die(done, total))[1])
    assert told[0] == 0
    # What the command line says of it.
    monkeypatch.setattr(verbs, "demo", lambda *_, **__: die(9, 9))
    monkeypatch.setattr(sys, "argv", ["stresslab", "demo", "--quiet", "--out", str(out)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 3
    assert capsys.readouterr().err == "stopped; the same command goes on where it stopped\n"


# --- results for programs -----------------------------------------------------------------------


def test_json_of_init_and_report(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: object) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["stresslab", *map(str, words)])
        with pytest.raises(SystemExit) as done:
            cli.main()
        out, err = capsys.readouterr()
        assert (done.value.code, err) == (0, "")
        return dict(json.loads(out))

    made = said("init", tmp_path / "b", "--accounts", 20, "--json")
    assert made["rows"]["accounts"] == 20
    assert made["digest"] == stresslab.read_book(tmp_path / "b").digest
    told = said("report", place / "whole", "--format", "xlsx", "--out", tmp_path / "r.xlsx", "--json")
    assert told["bytes"] == (tmp_path / "r.xlsx").stat().st_size > 10_000
