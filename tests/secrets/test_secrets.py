"""The search finds what is planted, by whatever way it comes out; or no other test would fail for a leak."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from tests.secrets import MARK, leaks, secret
from tests.secrets.watch import Stream, found
from tests.tools import ROOT

SECRET = secret("of this test")

_INNER = """
import json, os, subprocess, sys
from pathlib import Path
import pytest
from plumbing.errors import PlumbingError
from tests.secrets import secret
from tests.secrets.watch import saw
from tests.tools import run

S = secret("inner")
AUTHS = repr(json.dumps({"auths": {}}))
CODE = "'plumbing'; import sys, os, subprocess; S = sys.stdin.read(); "

def krust(code, **more):
    done = subprocess.Popen([sys.executable, "-c", CODE + code], stdin=subprocess.PIPE, text=True, **more)
    done.communicate(S, timeout=60)

def test_nothing(): krust("print('hello', len(S))", stdout=-1)
def test_leak_stdout(): krust("print(S)", stdout=-1)
def test_leak_stderr(): krust("print(S, file=sys.stderr)", stdout=-1, stderr=-1)
def test_leak_basic(): krust("import base64; print(base64.b64encode(f'me:{S}'.encode()))", stdout=-1, stderr=-1)
def test_leak_inherited(capfd): krust("print(S)"); capfd.readouterr()
def test_leak_captured(): print(S)
def test_leak_log(tmp_path): krust("print(S)", stdout=(tmp_path / "log").open("w"))
def test_leak_argv(): krust("subprocess.run(['true', S])")
def test_leak_exec(): krust("os.execvp('true', ['true', S])")
def test_leak_file(tmp_path): krust(f"open('{tmp_path}/report', 'w').write(S)")
def test_leak_renamed(tmp_path): krust(f"open('{tmp_path}/a', 'w').write(S); os.rename('{tmp_path}/a', '{tmp_path}/b')")
def test_kept(tmp_path): krust(f"os.umask(0o077); open('{tmp_path}/config.json', 'w').write(S + {AUTHS})")
def test_leak_to_others(tmp_path): krust(f"os.umask(0o022); open('{tmp_path}/config.json', 'w').write(S + {AUTHS})")
def test_leak_error():
    try: raise PlumbingError(f"cannot {S}")
    except PlumbingError: pass
def test_leak_cause():
    with pytest.raises(PlumbingError):
        try: raise ValueError(S)
        except ValueError as error: raise PlumbingError("cannot") from error
def test_leak_lines():
    process = subprocess.Popen([sys.executable, "-c", "print('" + S + "')"], stdout=subprocess.PIPE)
    for line in process.stdout: pass
    process.wait(); process.stdout.close()
def test_leak_terminal(): saw("terminal", S)
"""


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_no_encoding_hides_a_secret(before: bytes, after: bytes) -> None:
    raw = before + SECRET.encode() + after
    for encoded in (
        raw,
        base64.b64encode(raw),
        base64.urlsafe_b64encode(raw),
        base64.b64encode(b"user:" + raw).rstrip(b"="),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        quote(raw).encode(),
        "".join(f"%{byte:02X}" for byte in raw).encode(),
    ):
        assert leaks(encoded), encoded


@given(st.binary())
def test_other_bytes_are_no_secret(data: bytes) -> None:
    assert not leaks(data)


def test_a_secret_in_two_pieces_is_found_once() -> None:
    try:
        stream = Stream("a pipe")
        for piece in (b"a" * 1000, f"b{MARK[:5]}".encode(), MARK[5:].encode(), b"c" * 10, b"d" * 1000):
            stream.take(piece)
        assert len(found) == 1
    finally:
        found.clear()


def test_each_secret_is_another_and_the_same_again() -> None:
    assert secret("a") != secret("b")
    assert secret("a") == secret("a")


def test_a_test_in_which_a_secret_comes_out_fails_whatever_the_way(tmp_path: Path) -> None:
    """A run of its own: those that leak fail, the others pass, and the count is told, by two workers together."""
    (tmp_path / "test_inner.py").write_text(_INNER)
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_configure\n")
    words: list[str | Path] = [
        "-p",
        "no:cacheprovider",
        "-n2",
        "-rA",
        "--tb=line",
        "--rootdir",
        tmp_path,
        "-c",
        "/dev/null",
        tmp_path,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found.clear()  # what the inner run says of its leaks is this one's output
    ended = {name: end for end, name in re.findall(r"^([A-Z]+) \S+::(\w+)", done.stdout, re.MULTILINE)}
    assert set(ended) == set(re.findall(r"def (test_\w+)", _INNER)), done.stdout + done.stderr
    for name, end in ended.items():
        assert end == ("FAILED" if "leak" in name else "PASSED"), f"{name}\n{done.stdout}"
    assert re.search(r"^searched for planted secrets: .* 1[0-9] processes", done.stdout, re.MULTILINE), done.stdout
