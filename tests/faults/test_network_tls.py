"""TLS that fails: each error says in words what is wrong, and what to do."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plumbing.errors import Unreachable
from plumbing.registry.settings import Settings
from tests.registry.faults import registry
from tests.registry.moves import Person
from tests.tools import KRUST, require_tool, run

NAME = "registry.test"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
_CONFIGURATION = """
[ca]
default_ca = own
[own]
database = index
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[here]
subjectAltName = DNS:registry.test, DNS:localhost, IP:127.0.0.1
[elsewhere]
subjectAltName = DNS:another.test
[req]
distinguished_name = name
[name]
"""


@dataclass(frozen=True)
class Authority:
    """Signs what it is asked to, in `folder`."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Authority:
        folder.mkdir()
        (folder / "conf").write_text(_CONFIGURATION)
        (folder / "index").touch()
        (folder / "serial").write_text("01\n")
        it = cls(folder)
        it._openssl(
            "req", "-x509", *it._key("ca"), "-subj", "/CN=krust tests", "-extensions", "authority", "-days", "2"
        )
        return it

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def sign(self, *, begin: timedelta, end: timedelta, extensions: str = "here") -> tuple[Path, Path]:
        """Certificate and key; `begin` and `end` from now."""
        self._openssl("req", "-new", *self._key("server"), "-subj", f"/CN={NAME}")
        dates = [f"{datetime.now(UTC) + moment:%Y%m%d%H%M%SZ}" for moment in (begin, end)]
        words = ("-config", "conf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", "server.pem", "-out", "signed.pem")
        moments = ("-startdate", dates[0], "-enddate", dates[1])
        self._openssl("ca", "-batch", "-notext", *words, *moments, "-extensions", extensions)
        return self.folder / "signed.pem", self.folder / "server.key"

    def _key(self, name: str) -> tuple[str, ...]:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-config", "conf")
        return (*curve, "-keyout", f"{name}.key", "-out", f"{name}.pem")

    def _openssl(self, *words: str) -> None:
        run(require_tool("openssl"), *words, cwd=self.folder)


@contextmanager
def speaking(context: ssl.SSLContext) -> Iterator[int]:
    """The port of a server that has one answer, by TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(65536)
                    secured.sendall(_ANSWER)
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


DAY = timedelta(days=1)


def expired(authority: Authority) -> ssl.SSLContext:
    return _with(*authority.sign(begin=-2 * DAY, end=-DAY))


def not_yet_valid(authority: Authority) -> ssl.SSLContext:
    return _with(*authority.sign(begin=DAY, end=2 * DAY))


def wrong_host(authority: Authority) -> ssl.SSLContext:
    return _with(*authority.sign(begin=-DAY, end=DAY, extensions="elsewhere"))


def self_signed(authority: Authority) -> ssl.SSLContext:
    stranger = Authority.create(authority.folder / "self")
    return _with(stranger.ca, stranger.folder / "ca.key")


def unknown_authority(authority: Authority) -> ssl.SSLContext:
    return _with(*Authority.create(authority.folder / "other").sign(begin=-DAY, end=DAY))


def no_common_version(authority: Authority) -> ssl.SSLContext:
    context = _with(*authority.sign(begin=-DAY, end=DAY))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _with(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (expired, r"its certificate is not valid any more \(certificate has expired\); have it renewed"),
        (not_yet_valid, r"its certificate is not valid yet \(.*\); look at the clock of this machine"),
        (wrong_host, r"its certificate is another host's \(.*'registry\.test'.*\)"),
        (
            self_signed,
            r"its certificate is not trusted \(self-signed certificate\); name its authority with '--ca",
        ),
        (unknown_authority, r"its certificate is not trusted \(.*\); name its authority with '--ca FILE'"),
        (no_common_version, r"it speaks no version of TLS that is taken here \(.*\); have it speak 1\.2"),
    ],
    ids=lambda given: given.__name__ if callable(given) else "",
)
@pytest.mark.parametrize("by", ["name", "loopback"])
def test_what_is_wrong_with_a_certificate_is_said(
    fault: Callable[[Authority], ssl.SSLContext], said: str, by: str, tmp_path: Path, count: Callable[..., None]
) -> None:
    authority = Authority.create(tmp_path / "authority")
    with speaking(fault(authority)) as port:
        host = f"{NAME}:{port}" if by == "name" else f"127.0.0.1:{port}"
        person = Person(settings=Settings(ca=authority.ca, resolve={host: f"127.0.0.1:{port}"}))
        with pytest.raises(Unreachable, match=said.replace(r"'registry\.test'", NAME if by == "name" else "127.0.0.1")):
            person.ask(host, lambda it: it.resolve("v1"))
    assert person.time.sleeps == [], "nothing that asking again would change"
    count(handshakes=1)


def test_a_good_one_is_taken(tmp_path: Path) -> None:
    """Or the tests above would tell nothing."""
    authority = Authority.create(tmp_path / "authority")
    with speaking(_with(*authority.sign(begin=-DAY, end=DAY))) as port:
        host = f"{NAME}:{port}"
        person = Person(settings=Settings(ca=authority.ca, resolve={host: f"127.0.0.1:{port}"}))
        with person.registry(host) as it:
            it.repository("app").sign_in()


def test_https_to_who_speaks_plain_http() -> None:
    with registry() as r:
        person = Person(settings=Settings(resolve=r.resolve))
        said = rf"it does not speak TLS \(.*\); say so where that is right: '--plain-http {r.name}'"
        with pytest.raises(Unreachable, match=said):
            person.ask(r.name, lambda it: it.resolve("v1"))
    assert person.time.sleeps == []


def test_plain_http_to_who_speaks_tls() -> None:
    with registry(tls=True) as r:
        person = Person(settings=Settings(resolve=r.resolve, plain_http=frozenset({r.name})))
        with pytest.raises(Unreachable, match="it may want TLS: leave out '--plain-http'"):
            person.ask(r.name, lambda it: it.resolve("v1"))


def test_the_command_says_it_in_a_line(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "authority")
    with speaking(expired(authority)) as port:
        words: list[str | Path] = [KRUST, "ls-remote", f"127.0.0.1:{port}/app", "--ca", authority.ca]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "not valid any more" in done.stderr
