"""Surroundings that are odd: what is closed, unset, deleted or full is a line of words at most, and no traceback."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plumbing.store import Store
from plumbing.store.fsck import fsck
from tests.faults.programs import Ended, is_fault, krust, misbehaving
from tests.registry import moves
from tests.registry.faults import Registry
from tests.registry.moves import Image
from tests.tools import KRUST, require, require_tool

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds who is left behind in /proc"),
]

LOCKED = {"directory": "app", "package": "app", "image": "registry.example/app", "digest": "sha256:" + "1" * 64}


@pytest.fixture
def app(tmp_path: Path) -> Image:
    return moves.image(tmp_path / "app", 100_000, 1000)


# Nobody whom the machine knows, as containers have them; who may still read this venv, wherever it is.
SOMEBODY = ("setpriv", "--reuid=54321", "--inh-caps=+dac_override", "--ambient-caps=+dac_override", KRUST)

ODD: dict[str, dict[str, Any]] = {
    "no HOME": {"env": {"HOME": ""}},
    "a HOME that is not there": {"env": {"HOME": "/nowhere/at/all"}},
    "a HOME that is a file": {"env": {"HOME": "/etc/passwd"}},
    "no HOME and no name": {"env": {"HOME": "", "USER": "", "LOGNAME": ""}, "program": SOMEBODY},
    "no USER": {"env": {"USER": "", "LOGNAME": ""}},
    "TERM=dumb": {"env": {"TERM": "dumb"}},
    "the locale C": {"env": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}},
    "a locale that is not there": {"env": {"LC_ALL": "xx_YY.UTF-99"}},
    "an empty PATH": {"env": {"PATH": ""}},
    "a PATH of nowhere": {"env": {"PATH": "/nowhere:relative::"}},
    "umask 077": {"umask": 0o077},
    "umask 000": {"umask": 0o000},
    "umask 777": {"umask": 0o777},
    "no TMPDIR": {"env": {"TMPDIR": "/nowhere/at/all"}},
    "variables that are no UTF-8": {"env": {"ODD": os.fsdecode(b"\xff\xfe"), "SSL_CERT_DIR": os.fsdecode(b"/\xff")}},
}


@pytest.mark.parametrize("how", ODD)
def test_odd_surroundings_are_no_fault(
    how: str, r: Registry, app: Image, tmp_path: Path, count: Callable[..., None]
) -> None:
    odd = ODD[how]
    if "program" in odd:
        require_tool("setpriv")
        require(os.getuid() == 0, "only root can become somebody else")
    here = tmp_path / "here"
    here.mkdir(0o777)
    here.chmod(0o777)
    (here / "binary").write_bytes(b"content")

    def ask(*words: str | Path) -> Ended:
        ended = krust(*words, cwd=here, **odd)
        assert "Traceback" not in ended.said, ended.said
        return ended

    pushed = ask("push", app.store.path, f"{r.host}/app:v1")
    assert (pushed.code, pushed.said) == (0, ""), pushed
    fetched = ask("fetch", f"{r.host}/app:v1")
    if how == "umask 777" and os.getuid() != 0:
        return
    assert (fetched.code, fetched.said) == (0, ""), fetched
    layer = ask("write-layer", "--compression", "none", "binary=/binary")
    assert layer.code == 0, layer
    store = Store.open(here / ".krust")
    assert fsck(store).problems == ()
    content = store.blobs.path(app.layer.digest)
    assert stat.S_IMODE(content.stat().st_mode) == 0o444
    assert stat.S_IMODE(store.path.stat().st_mode) & odd.get("umask", 0o022) == 0, "who may see it is the folder's"
    usual = krust("write-layer", "--compression", "none", "binary=/binary", cwd=here)
    assert usual.out == layer.out, "the same layer, whatever the surroundings"
    assert not list(here.glob("~*")), "no home was made up"
    count(surroundings=1)


@pytest.mark.parametrize("closed", [[0], [2], [0, 2]])
def test_closed_descriptors_are_no_fault(closed: list[int], r: Registry, app: Image, tmp_path: Path) -> None:
    shell = " ".join(f"{number}>&-" for number in closed)
    words = f'exec "$@" {shell}'
    pushed = krust(
        "-c", words, "sh", KRUST, "push", app.store.path, f"{r.host}/app:v1", cwd=tmp_path, program=["/bin/sh"]
    )
    assert (pushed.code, pushed.out.decode()) == (0, f"{r.host}/app@{app.root.digest}\n")
    fetched = krust("-c", words, "sh", KRUST, "fetch", f"{r.host}/app:v1", cwd=tmp_path, program=["/bin/sh"])
    assert fetched.code == 0
    assert fsck(Store.open(tmp_path / ".krust")).problems == ()


def test_a_closed_stdout_is_a_fault(tmp_path: Path) -> None:
    ended = krust("-c", 'exec "$@" >&-', "sh", KRUST, "ls-refs", cwd=tmp_path, program=["/bin/sh"])
    is_fault(ended)


def test_a_full_stdout_is_a_fault(r: Registry, app: Image, tmp_path: Path) -> None:
    words = ("push", app.store.path, f"{r.host}/app:v1")
    ended = krust("-c", 'exec "$@" >/dev/full', "sh", KRUST, *words, cwd=tmp_path, program=["/bin/sh"])
    is_fault(ended)
    assert "no space left" in ended.said


def test_a_full_stderr_is_no_traceback(tmp_path: Path) -> None:
    ended = krust("-c", 'exec "$@" 2>/dev/full', "sh", KRUST, "ls-refs", cwd=tmp_path, program=["/bin/sh"])
    assert ended.code == 1


def test_a_directory_that_is_gone_is_a_fault(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD"; exec "$@"'
    for words in (["ls-refs"], ["build"], ["--help"]):
        gone.mkdir(exist_ok=True)
        ended = krust("-c", script, "sh", KRUST, *words, cwd=gone, program=["/bin/sh"])
        is_fault(ended)
        assert "the working directory is gone" in ended.said


@pytest.fixture
def locked(tmp_path: Path) -> list[str]:
    """What `resolve` and `apply` take here, so that nothing is built; some MB of it."""
    (tmp_path / "lock").write_text(json.dumps({"version": 1, "images": [{**LOCKED, "platforms": []}]}))
    (tmp_path / "x.yaml").write_text("image: krust://app\n---\n" * 20_000)
    return ["-f", "x.yaml", "--locked", "lock"]


def test_who_reads_a_line_of_much_is_no_fault(locked: list[str], tmp_path: Path) -> None:
    script = '"$@" | head -1; exit "$?"'
    ended = krust("-c", script, "sh", KRUST, "resolve", *locked, cwd=tmp_path, program=["/bin/sh"])
    assert (ended.code, ended.said) == (0, "")
    assert ended.out == f"image: registry.example/app@{LOCKED['digest']}\n".encode()


@pytest.mark.parametrize("closed", ["", "<&-", "2>&-", "<&- 2>&-"])
def test_kubectl_gets_its_input_whatever_is_closed(closed: str, locked: list[str], tmp_path: Path) -> None:
    misbehaving(tmp_path / "bin" / "kubectl", "exec wc -l")
    ended = krust(
        "-c", f'exec "$@" {closed}', "sh", KRUST, "apply", *locked, cwd=tmp_path, program=["/bin/sh"],
        env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert (ended.code, ended.out.strip()) == (0, b"40000"), ended


def test_who_goes_away_before_anything_is_printed_ends_it_quietly(r: Registry, app: Image, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        ended = krust("push", app.store.path, f"{r.host}/app:v1", cwd=tmp_path, stdout=write)
    finally:
        os.close(write)
    assert (ended.code, ended.said) == (1, "")
    assert r.store.complete(app.root)
