"""The way over sockets: proxies, names, certificates, and what a library would do by itself and must not."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plumbing.errors import Malformed, Missing, Unreachable
from plumbing.registry import Registry, Settings
from plumbing.registry.client import origins_of
from plumbing.registry.origin import Origin
from plumbing.registry.transport import proxy_for
from tests.registry.faults import registry
from tests.registry.moves import holds, image, person
from tests.secrets import secret


@pytest.mark.parametrize(
    ("url", "no_proxy", "proxied"),
    [
        ("https://ghcr.io/", "", True),
        ("http://ghcr.io/", "", False),
        ("https://ghcr.io/", "*", False),
        ("https://ghcr.io/", "ghcr.io", False),
        ("https://ghcr.io/", "example.com, GHCR.io", False),
        ("https://pkg.ghcr.io/", "ghcr.io", False),
        ("https://pkg.ghcr.io/", ".ghcr.io", False),
        ("https://pkg.ghcr.io/", "*.ghcr.io", False),
        ("https://notghcr.io/", "ghcr.io", True),
        ("https://ghcr.io:5000/", "ghcr.io:5000", False),
        ("https://ghcr.io:5000/", "ghcr.io:443", True),
        ("https://10.1.2.3/", "10.0.0.0/8", False),
        ("https://11.1.2.3/", "10.0.0.0/8", True),
        ("https://10.1.2.3/", "10.1.2.3", False),
        ("https://127.0.0.1:5000/", "", False),
        ("https://localhost/", "", False),
        ("https://x.localhost/", "", False),
    ],
)
def test_a_proxy_is_for_its_scheme_and_not_for_loopback_or_who_is_named(url: str, no_proxy: str, proxied: bool) -> None:
    settings = Settings(proxies={"https": "http://proxy.test:3128"}, no_proxy=no_proxy)
    assert (proxy_for(Origin.of(url), settings) is not None) == proxied


@pytest.mark.parametrize(
    ("host", "settings", "origins"),
    [
        ("ghcr.io", Settings(), ["https://ghcr.io"]),
        ("docker.io", Settings(), ["https://registry-1.docker.io"]),
        ("index.docker.io", Settings(), ["https://registry-1.docker.io"]),
        ("10.0.0.1:5000", Settings(), ["https://10.0.0.1:5000"]),
        ("localhost:5000", Settings(), ["http://localhost:5000", "https://localhost:5000"]),
        ("127.0.0.1", Settings(), ["http://127.0.0.1", "https://127.0.0.1"]),
        ("[::1]:5000", Settings(), ["http://[::1]:5000", "https://[::1]:5000"]),
        ("reg.test:5000", Settings(plain_http=frozenset({"reg.test:5000"})), ["http://reg.test:5000"]),
        ("reg.test:5000", Settings(plain_http=frozenset({"reg.test"})), ["http://reg.test:5000"]),
        ("reg.test:5000", Settings(plain_http=frozenset({"reg.test:80"})), ["https://reg.test:5000"]),
        ("reg.test", Settings(insecure=frozenset({"reg.test"})), ["https://reg.test"]),
    ],
)
def test_https_is_for_all_but_loopback_and_who_is_named(host: str, settings: Settings, origins: list[str]) -> None:
    assert [str(origin) for origin in origins_of(host, settings)] == origins


class Proxy:
    """A proxy that tunnels to one port, and has nothing for plain requests; it keeps what it was asked."""

    def __init__(self, port: int) -> None:
        self.heads: list[bytes] = []
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(connection,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(65536)
                if not data:
                    return
                head += data
            self.heads.append(head)
            if not head.startswith(b"CONNECT"):
                client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            with socket.create_connection(self._target) as server:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join()

    def close(self) -> None:
        self._listener.close()


def _pump(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    it = Proxy(port)
    try:
        yield it
    finally:
        it.close()


SECRET = secret("a proxy's")
AUTHORIZATION = b"proxy-authorization: basic " + b64encode(f"me:{SECRET}".encode()).lower()


def test_a_push_by_https_tunnels_through_a_proxy_which_alone_sees_its_password(tmp_path: Path) -> None:
    app = image(tmp_path / "app")
    with registry(tls=True) as r, proxy(r.ports["main"]) as it:
        person(r, proxies={"https": f"http://me:{SECRET}@127.0.0.1:{it.port}"}, resolve={}).push(r.name, app)
        assert holds(r, app)
        assert not any("proxy-authorization" in q.headers for q in r.requests)
    assert it.heads
    assert all(head.startswith(f"CONNECT {r.name} HTTP/1.1\r\n".encode()) for head in it.heads)
    assert all(AUTHORIZATION in head.lower() for head in it.heads)


def test_a_request_by_http_is_the_proxys_to_make() -> None:
    with proxy(1) as it:
        settings = Settings(
            proxies={"http": f"http://me:{SECRET}@127.0.0.1:{it.port}"}, plain_http=frozenset({"registry.test:5000"})
        )
        with Registry("registry.test:5000", settings=settings) as there, pytest.raises(Missing):
            there.repository("app").resolve("v1")
    assert [head.partition(b" HTTP")[0] for head in it.heads] == [
        b"GET http://registry.test:5000/v2/",
        b"HEAD http://registry.test:5000/v2/app/manifests/v1",
    ]
    assert all(AUTHORIZATION in head.lower() for head in it.heads)


def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / ".netrc").write_text(f"default login me password {SECRET}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    app = image(tmp_path / "app")
    with registry() as r:
        person(r).push(r.name, app)
        assert holds(r, app)
        assert not any("authorization" in q.headers for q in r.requests)


def test_a_file_of_authorities_that_is_none_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("nothing")
    for path in (wrong, tmp_path / "missing.pem"):
        with registry(tls=True) as r, pytest.raises(Malformed, match=f"malformed file of certificates '{path}'"):
            person(r, ca=path).ask(r.host, lambda repository: repository.resolve("v1"))


def test_authorities_may_take_the_place_of_the_systems(tmp_path: Path) -> None:
    app = image(tmp_path / "app")
    with registry(tls=True) as r:
        person(r, ca=None, trust=r.ca).push(r.host, app)
        assert holds(r, app)
        with pytest.raises(Unreachable, match="not trusted"):
            person(r, ca=None, trust=None).push(r.host, app)


def test_what_sends_is_imported_with_the_first_request() -> None:
    program = """
import sys
from plumbing.registry import Registry
with Registry("127.0.0.1:9") as registry:
    registry.repository("app")
    assert "httpcore" not in sys.modules, "before a request"
    import plumbing.registry.transport
    assert "httpcore" in sys.modules
    assert not {"rich", "pygments", "click", "httpx"} & sys.modules.keys(), "what is felt, and not needed"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_registry_that_is_never_asked_connects_to_nothing() -> None:
    with Registry("registry.invalid") as it:
        assert str(it.repository("team/app", push=True)) == "registry.invalid/team/app"
