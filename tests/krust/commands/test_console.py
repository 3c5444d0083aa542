"""What a person sees of a copy: bars on a terminal, lines elsewhere, nothing if quiet, and no secret ever."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from krust.console import Console
from tests.krust.commands.conftest import Krust
from tests.registry import moves
from tests.registry.faults import Registry, registry
from tests.registry.moves import Image
from tests.secrets.watch import saw
from tests.tools import KRUST

BIG = 30_000_000


@pytest.fixture
def app(tmp_path: Path) -> Image:
    return moves.image(tmp_path / "layout", BIG, 1000)


def at_a_terminal(*words: str, cwd: Path, **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout, and all that krust wrote to the terminal on stderr."""
    mine, theirs = os.openpty()
    process = subprocess.Popen(
        [KRUST, *words],
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while piece := os.read(mine, 4096):
            said += piece
    os.close(mine)
    saw("terminal", said)
    out, _ = process.communicate(timeout=30)
    return process.returncode, out.decode(), said.decode()


def screen(said: str) -> list[str]:
    """The lines that a terminal shows in the end: what moves the cursor up and erases, done; colours taken off."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", said):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif (up := re.fullmatch(r"\x1b\[(\d*)A", part)) is not None:
            row = max(0, row - int(up[1] or 1))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return [line for line in lines if line]


def test_a_terminal_has_bars_which_are_gone_in_the_end(r: Registry, app: Image, tmp_path: Path) -> None:
    code, out, said = at_a_terminal("push", "layout", f"{r.host}/app:v1", cwd=tmp_path)
    assert (code, out) == (0, f"{r.host}/app@{app.root.digest}\n")
    assert "total" in said
    assert app.layer.digest.hex[:12] in said
    assert re.search(r"MB/s", said)
    assert screen(said) == []
    assert said.rstrip().count("\x1b[?25h") == said.count("\x1b[?25l"), "the cursor is back"


def test_fetching_has_bars_too(r: Registry, app: Image, tmp_path: Path) -> None:
    assert at_a_terminal("push", "-q", "layout", f"{r.host}/app:v1", cwd=tmp_path)[0] == 0
    code, out, said = at_a_terminal("fetch", f"{r.host}/app:v1", cwd=tmp_path)
    assert (code, out) == (0, f"{app.root.digest}\n")
    assert "total" in said
    assert screen(said) == []


def test_no_color_has_none(r: Registry, app: Image, tmp_path: Path) -> None:
    code, _, said = at_a_terminal("push", "layout", f"{r.host}/app:v1", cwd=tmp_path, NO_COLOR="1")
    assert (code, screen(said)) == (0, [])
    assert "total" in said
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", said)


def test_nothing_to_move_shows_nothing(r: Registry, app: Image, tmp_path: Path) -> None:
    for _ in range(2):
        code, _, said = at_a_terminal("push", "layout", f"{r.host}/app:v1", cwd=tmp_path)
    assert (code, said) == (0, "")


def test_quiet_says_errors_alone(r: Registry, app: Image, tmp_path: Path) -> None:
    assert at_a_terminal("push", "-q", "layout", f"{r.host}/app:v1", cwd=tmp_path)[2] == ""
    code, out, said = at_a_terminal("push", "-q", "layout:none", f"{r.host}/app:v1", cwd=tmp_path)
    assert (code, out, len(screen(said))) == (1, "", 1)


def test_an_error_stands_on_a_line_of_its_own(app: Image, tmp_path: Path) -> None:
    with registry(body_limit_413=BIG // 2) as r:
        code, out, said = at_a_terminal("push", "layout", f"{r.host}/app:v1", cwd=tmp_path)
    assert (code, out) == (1, "")
    assert "total" in said
    [line] = screen(said)
    assert line.startswith("krust: cannot push")
    assert r.host in line


def test_what_is_said_meanwhile_stands_above_the_bars(app: Image, tmp_path: Path) -> None:
    with registry(warning_299=True) as r:
        code, _, said = at_a_terminal("push", "layout", f"{r.host}/app:v1", cwd=tmp_path)
    assert code == 0
    [line] = screen(said)
    assert line.startswith(f"krust: '{r.host}' says: ")


@pytest.mark.parametrize("level", ["-v", "-vv"])
def test_verbose_has_lines_and_no_bars(r: Registry, app: Image, tmp_path: Path, level: str) -> None:
    code, _, said = at_a_terminal("push", level, "layout", f"{r.host}/app:v1", cwd=tmp_path)
    assert code == 0
    assert "\x1b" not in said
    assert "> PATCH" in said
    assert ("user-agent: krust" in said.lower() or "content-type" in said.lower()) == (level == "-vv")


def test_elsewhere_there_are_lines_now_and_then(
    app: Image, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("krust.console._INTERVAL", 0.0)
    console = Console()
    progress = console.progress()
    assert progress is not None
    progress.plan([app.layer])
    progress.advance(app.layer, BIG // 2)
    progress.done(app.layer)
    console.end()
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"krust: moved 15\.0 of 30\.0 MB, \d+\.\d MB/s, \d+ s left\n", said.err), said.err
    quiet = Console(quiet=True)
    assert quiet.progress() is None


def test_a_short_copy_says_nothing_where_there_is_no_terminal(krust: Krust, r: Registry, app: Image) -> None:
    assert krust("push", "layout", f"{r.host}/app:v1").stderr == ""


@pytest.mark.parametrize(
    "switches",
    [
        {"basic_only": True},
        {"bearer": True, "location_state": True},
        {"bearer": True, "oauth_post_refused": 404, "realm_foreign": True},
        {"always_401": True, "bearer": True},
    ],
    ids=str,
)
def test_no_secret_is_shown_however_much_is_asked_for(krust: Krust, tmp_path: Path, switches: dict[str, Any]) -> None:
    moves.image(tmp_path / "layout", 1000)
    home = tmp_path / "home"
    home.mkdir()
    environment = {"HOME": str(home), "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
    with registry(**switches) as r:
        both = base64.b64encode(f"{r.user}:{r.password}".encode()).decode()
        (tmp_path / "auth.json").write_text(json.dumps({"auths": {r.host: {"auth": both}}}))
        pushed = krust("push", "-vv", "--token-server", r.other, "layout", f"{r.host}/app:v1", env=environment)
        assert pushed.code == (1 if "always_401" in switches else 0), pushed.stderr
        shown = (request.headers.get("authorization") for request in r.requests)
        sent = {value.split(" ", 1)[1] for value in shown if value is not None}
        assert sent
        states = set(re.findall(r"_state=([^& ]+)", " ".join(request.target for request in r.requests)))
        for secret in {r.password, both, *sent, *states}:
            assert secret not in pushed.stderr + pushed.stdout
    checked = krust("login", "--check", r.host, env=environment)
    assert checked.stdout == f"{r.user} from {tmp_path}/auth.json\n"
