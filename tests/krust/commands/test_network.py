"""What options and variables say of the way to a registry: certificates, plain http, proxies."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.krust.commands.conftest import Krust
from tests.registry import moves
from tests.registry.faults import Registry, registry
from tests.registry.moves import Image, holds


@pytest.fixture
def app(tmp_path: Path) -> Image:
    return moves.image(tmp_path / "layout", 1000)


@pytest.fixture
def secure() -> Iterator[Registry]:
    with registry(tls=True) as r:
        yield r


class Proxy(ThreadingHTTPServer):
    """A forward proxy, for http alone, that knows where made-up hosts are."""

    def __init__(self, hosts: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.hosts = hosts
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Forward(BaseHTTPRequestHandler):
    server: Proxy

    def forward(self) -> None:
        to = urlsplit(self.path)
        self.server.asked.append(f"{self.command} {to.netloc}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        there = http.client.HTTPConnection(self.server.hosts[to.netloc], timeout=10)
        target = f"{to.path}?{to.query}" if to.query else to.path
        there.request(self.command, target, body or None, dict(self.headers.items()))
        answer = there.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, text in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)
        there.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = forward

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def plain() -> Iterator[Registry]:
    with registry() as r:
        yield r


@pytest.fixture
def proxy(plain: Registry) -> Iterator[Proxy]:
    """One behind which `plain` has its made-up name, which nobody else knows."""
    with Proxy({plain.name: plain.host}) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield server
        server.shutdown()


def test_a_certificate_that_nobody_signed_is_refused(krust: Krust, app: Image, secure: Registry) -> None:
    refused = krust("push", "layout", f"{secure.host}/app")
    assert (refused.code, refused.stdout) == (1, "")
    assert "its certificate is not trusted" in refused.fault
    assert "--ca FILE" in refused.fault


@pytest.mark.parametrize(
    ("words", "variable"),
    [
        (["--ca", "CA"], None),
        (["--tls-verify=false", "HOST"], None),
        ([], "KRUST_CA"),
        ([], "SSL_CERT_FILE"),
    ],
)
def test_it_is_trusted_where_that_is_said(
    krust: Krust, app: Image, secure: Registry, words: list[str], variable: str | None
) -> None:
    words = [word.replace("CA", str(secure.ca)).replace("HOST", secure.host) for word in words]
    environment = {variable: str(secure.ca)} if variable else {}
    pushed = krust("push", *words, "layout", f"{secure.host}/app:v1", env=environment)
    assert pushed.code == 0, pushed.stderr
    assert holds(secure, app)
    assert krust("ls-remote", *words, f"{secure.host}/app", env=environment).stdout == "v1\n"


def test_not_to_look_is_for_the_host_that_was_named(krust: Krust, app: Image, secure: Registry) -> None:
    refused = krust("push", "--tls-verify=false", "other.example", "layout", f"{secure.host}/app")
    assert (refused.code, secure.seen("PUT")) == (1, [])
    still = krust("push", "--tls-verify=true", secure.host, "layout", f"{secure.host}/app")
    assert (still.code, secure.seen("PUT")) == (1, [])


@pytest.mark.parametrize("content", [None, "no PEM"])
def test_a_file_of_certificates_that_is_none_is_said(
    krust: Krust, app: Image, secure: Registry, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    refused = krust("push", "--ca", "ca.pem", "layout", f"{secure.host}/app")
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "ca.pem" in refused.fault


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
@pytest.mark.parametrize("by", ["option", "variable"])
def test_plain_http_by_a_proxy(krust: Krust, app: Image, plain: Registry, proxy: Proxy, variable: str, by: str) -> None:
    words = ["--plain-http", plain.name] if by == "option" else []
    environment = {variable: proxy.url} | ({} if words else {"KRUST_PLAIN_HTTP": plain.name})
    pushed = krust("push", *words, "layout", f"{plain.name}/app:v1", env=environment)
    assert (pushed.code, pushed.stdout) == (0, f"{plain.name}/app@{app.root.digest}\n"), pushed.stderr
    assert holds(plain, app)
    assert set(proxy.asked) >= {f"PATCH {plain.name}", f"PUT {plain.name}"}


def test_loopback_goes_by_no_proxy(krust: Krust, app: Image, plain: Registry, proxy: Proxy) -> None:
    assert krust("push", "layout", f"{plain.host}/app:v1", env={"HTTP_PROXY": proxy.url}).code == 0
    assert proxy.asked == []


@pytest.mark.parametrize("pattern", ["registry.test", ".test", "*", "other.example, registry.test"])
def test_no_proxy_is_kept(krust: Krust, app: Image, plain: Registry, proxy: Proxy, pattern: str) -> None:
    environment = {"HTTP_PROXY": proxy.url, "NO_PROXY": pattern}
    refused = krust("push", "--plain-http", plain.name, "layout", f"{plain.name}/app:v1", env=environment)
    assert refused.code == 1
    assert "no such host" in refused.fault
    assert proxy.asked == []


def test_other_hosts_speak_https_or_nothing(krust: Krust, app: Image, plain: Registry, proxy: Proxy) -> None:
    refused = krust("push", "layout", f"{plain.name}/app:v1", env={"HTTP_PROXY": proxy.url})
    assert refused.code == 1
    assert proxy.asked == []
    assert plain.requests == []
