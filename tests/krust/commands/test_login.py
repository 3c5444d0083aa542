"""krust login and logout: over a terminal, by a pipe, against a registry that knows one user."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.registry.faults import registry
from tests.secrets import secret
from tests.secrets.watch import saw
from tests.tools import KRUST

USER, SECRET = "me", secret("login")
AUTH = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()


class _Registry(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == f"Basic {AUTH}"
        self.send_response(200 if known else 401)
        if not known:
            self.send_header("WWW-Authenticate", 'Basic realm="a test"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    """A registry that wants Basic, and knows USER by SECRET alone."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Registry) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def krust(home: Path, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run it with nothing in `home` but what the test put there; no secret may be in what it says."""
    done = subprocess.run(_argv(words), env=_env(home), input=stdin, capture_output=True, check=False)
    said = subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert SECRET not in said.stdout + said.stderr
    assert AUTH not in said.stdout + said.stderr
    return said


def _argv(words: Sequence[str]) -> list[str]:
    return [str(KRUST), *words]


def _env(home: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "PATH": f"{home}/bin:{os.defpath}"}


def config(home: Path) -> Path:
    return home / ".docker" / "config.json"


def test_login_keeps_what_the_registry_takes_and_check_and_logout_follow(home: Path, host: str) -> None:
    done = krust(home, "login", host, "-u", USER, "--password-stdin", stdin=f"{SECRET}\n".encode())
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == f"krust: logged in to '{host}' as 'me'; kept in {config(home)}\n"
    assert json.loads(config(home).read_text()) == {"auths": {host: {"auth": AUTH}}}

    done = krust(home, "login", "--check", f"https://{host}/")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"me from {config(home)}\n", "")

    done = krust(home, "logout", host)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"krust: logged out of '{host}'; nothing is left in {config(home)}\n"

    done = krust(home, "logout", host)
    assert (done.returncode, done.stderr) == (0, f"krust: not logged in to '{host}': nothing in '{config(home)}'\n")

    done = krust(home, "login", "--check", host)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"krust: not logged in to '{host}': nothing for it in '{config(home)}', ")
    assert done.stderr.endswith(f"; try 'krust login {host}'\n")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_end_of_the_line_is_no_part_of_the_password(home: Path, host: str, end: str) -> None:
    done = krust(home, "login", host, "-u", USER, "--password-stdin", stdin=f"{SECRET}{end}".encode())
    assert done.returncode == 0, done.stderr


def test_what_the_registry_refuses_is_not_kept(home: Path, host: str) -> None:
    done = krust(home, "login", host, "-u", "you", "--password-stdin", stdin=SECRET.encode())
    assert (done.returncode, done.stdout) == (1, "")
    assert host in done.stderr
    assert not config(home).exists()


@pytest.mark.parametrize("switch", ["basic_only", "bearer"])
def test_login_trusts_what_it_is_told_to_trust(home: Path, switch: str) -> None:
    switches: dict[str, Any] = {switch: True}
    with registry(tls=True, **switches) as r:
        words, stdin = ("-u", r.user, "--password-stdin"), r.password.encode()
        done = krust(home, "login", r.host, *words, stdin=stdin)
        assert (done.returncode, done.stdout) == (1, "")
        assert "certificate is not trusted" in done.stderr
        assert "--ca FILE" in done.stderr
        for trust in (["--ca", str(r.ca)], ["--tls-verify=false", r.host]):
            assert not config(home).exists()
            assert krust(home, "login", *trust, r.host, *words, stdin=b"wrong").returncode == 1
            assert not config(home).exists()
            done = krust(home, "login", *trust, r.host, *words, stdin=stdin)
            assert done.returncode == 0, done.stderr
            said = base64.b64encode(f"{r.user}:{r.password}".encode()).decode()
            assert json.loads(config(home).read_text()) == {"auths": {r.host: {"auth": said}}}
            config(home).unlink()


@pytest.mark.slow  # it is asked for a quarter of a minute
def test_a_registry_that_is_not_there_is_an_error_and_nothing_is_kept(home: Path) -> None:
    done = krust(home, "login", "127.0.0.1:1", "-u", USER, "--password-stdin", stdin=SECRET.encode())
    assert (done.returncode, done.stdout) == (1, "")
    assert "127.0.0.1:1" in done.stderr
    assert not config(home).exists()


def test_login_says_what_goes_before_it(home: Path, host: str) -> None:
    path = home / "auth-file"
    path.write_text(json.dumps({"auths": {host: {"username": "you", "password": SECRET}}}))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("REGISTRY_AUTH_FILE", str(path))
        done = krust(home, "login", host, "-u", USER, "--password-stdin", stdin=SECRET.encode())
        assert done.returncode == 0
        assert done.stderr.splitlines()[1] == f"krust: but {path} goes before that, and has 'you' for '{host}'"
        done = krust(home, "logout", host)
        assert done.stderr.splitlines()[1] == f"krust: but there is still you from {path}, which krust does not change"


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (["a.example"], b"", "cannot ask for a password: standard input is no terminal; use -u NAME --password-stdin"),
        (["a.example", "--password-stdin"], b"x", "--password-stdin needs --username"),
        (["a.example", "-u", USER, "--password-stdin"], b"\n", "no password on standard input"),
        (["a.example", "-u", USER, "--password-stdin"], b"\xff", "the password on standard input is not UTF-8"),
        (["a.example", "-u", USER, "--check"], b"", "--check takes no user name and no password"),
        (["ghcr.io/team"], b"", "malformed registry 'ghcr.io/team': expected host[:port], such as ghcr.io"),
        (["http://a.example"], b"", "malformed registry 'http://a.example'"),
        ([""], b"", "malformed registry ''"),
        ([], b"", "missing argument 'HOST'"),
    ],
)
def test_what_cannot_be_meant_is_a_fault_of_use(home: Path, words: list[str], stdin: bytes, said: str) -> None:
    done = krust(home, "login", *words, stdin=stdin)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["-u", f"{USER}:x"], ["-u", ""]])
def test_a_user_name_that_cannot_be_sent_is_refused(home: Path, words: list[str]) -> None:
    done = krust(home, "login", "a.example", *words, "--password-stdin", stdin=SECRET.encode())
    assert done.returncode == 1
    assert "expected a user name without ':'" in done.stderr


@pytest.mark.parametrize("name", ["docker.io", "index.docker.io", "https://index.docker.io/v1/"])
def test_docker_hub_has_one_name(home: Path, name: str) -> None:
    path = config(home)
    path.parent.mkdir()
    path.write_text(json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}}))
    assert krust(home, "login", "--check", name).stdout == f"me from {path}\n"
    assert krust(home, "logout", name).stderr == f"krust: logged out of 'docker.io'; nothing is left in {path}\n"


def test_a_person_at_a_terminal_is_asked_and_the_password_is_not_shown(home: Path, host: str) -> None:
    mine, theirs = os.openpty()
    process = subprocess.Popen(
        _argv(["login", host]), env=_env(home), stdin=theirs, stdout=subprocess.PIPE, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    answers = {b"user name: ": USER, b"password: ": SECRET}
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while piece := os.read(mine, 1024):
            said += piece
            for question in [question for question in answers if said.endswith(question)]:
                os.write(mine, f"{answers.pop(question)}\n".encode())
    os.close(mine)
    saw("terminal", said)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b""), said
    assert not answers
    assert SECRET.encode() not in said
    assert json.loads(config(home).read_text()) == {"auths": {host: {"auth": AUTH}}}
