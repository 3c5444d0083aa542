"""A real Kubernetes API server: kube-apiserver over etcd, with no nodes, so what is applied is kept and never run.

tests/kube-apiserver/build makes the program; it is looked for where that puts it, and never built by a test.
"""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools import free_port, require, require_tool, run, running

_VERSION = "1.32.5"
TOKEN = "token-of-the-test"
FOLDER = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "krust-tests" / f"kube-apiserver-{_VERSION}"
"""Where the programs are; what the tests make of XDG_CACHE_HOME is the same."""


def program() -> Path:
    """kube-apiserver; see tests.tools.require. tests/kube-apiserver/build, which .ci/run calls, makes it."""
    path = FOLDER / "kube-apiserver"
    require(path.is_file(), "no kube-apiserver: 'tests/kube-apiserver/build' makes it, in ten minutes or less, with Go")
    return path


@contextmanager
def apiserver(folder: Path, *more: str) -> Iterator[list[str]]:
    """What kubectl has to be told of the server, which runs for the time of a block with `more` words of its own."""
    server = program()
    etcd, openssl = require_tool("etcd"), require_tool("openssl")
    folder.mkdir()
    key, tokens = folder / "key.pem", folder / "tokens.csv"
    run(openssl, "genrsa", "-out", key, "2048")
    tokens.write_text(f"{TOKEN},tester,1,system:masters\n")
    client, peer, port = free_port(), free_port(), free_port()
    store: list[str | Path] = [
        etcd, f"--data-dir={folder}/etcd", f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}", f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}", f"--initial-cluster=default=http://127.0.0.1:{peer}",
    ]  # fmt: skip
    api: list[str | Path] = [
        server, f"--etcd-servers=http://127.0.0.1:{client}", f"--secure-port={port}", "--bind-address=127.0.0.1",
        f"--cert-dir={folder}/certificates", f"--token-auth-file={tokens}", "--authorization-mode=AlwaysAllow",
        "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}", "--service-cluster-ip-range=10.0.0.0/24",
        "--disable-admission-plugins=ServiceAccount", *more,
    ]  # fmt: skip
    with (
        running(store, ready=lambda _: _answers(f"http://127.0.0.1:{client}/health"), log=folder / "etcd.log"),
        running(api, ready=lambda _: _ready(port), log=folder / "apiserver.log", seconds=180),
    ):
        yield [f"--server=https://127.0.0.1:{port}", "--insecure-skip-tls-verify", f"--token={TOKEN}"]


def _ready(port: int) -> bool:
    return _answers(f"https://127.0.0.1:{port}/readyz") and _answers(
        f"https://127.0.0.1:{port}/api/v1/namespaces/default"
    )


def _answers(url: str) -> bool:
    context = ssl._create_unverified_context()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
