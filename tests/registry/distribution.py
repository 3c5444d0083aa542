"""Debian's docker-registry in four shapes: open, by password, by TLS, by token. It keeps the tests' own honest."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from plumbing.registry import Credential, Settings
from tests.registry.debian import docker_registry
from tests.registry.faults.server import certificates
from tests.registry.moves import Person
from tests.secrets import secret
from tests.tools import require_tool, run

USER, PASSWORD = "me", f"pass:{secret('a user of distribution')}"
SERVICE, ISSUER = "krust tests, registry", "krust tests"
_PERSON = Credential(username=USER, password=PASSWORD, source="the test")


@dataclass(frozen=True)
class Distribution:
    host: str
    settings: Settings = field(default_factory=Settings)
    credential: Credential | None = None

    def person(self) -> Person:
        """Someone who may do everything there; their time is the real one's."""
        return Person(settings=self.settings, credential=self.credential)

    def stranger(self) -> Person:
        return Person(settings=self.settings)


@contextmanager
def _open(folder: Path) -> Iterator[Distribution]:
    with docker_registry(folder / "registry") as host:
        yield Distribution(host)


@contextmanager
def _by_password(folder: Path) -> Iterator[Distribution]:
    users = folder / "htpasswd"
    users.write_bytes(run(require_tool("htpasswd"), "-nbB", USER, PASSWORD).stdout)
    auth = {"htpasswd": {"realm": 'a, "realm"', "path": str(users)}}
    with docker_registry(folder / "registry", auth=auth) as host:
        yield Distribution(host, credential=_PERSON)


@contextmanager
def _by_tls(folder: Path) -> Iterator[Distribution]:
    ca, options = certificates()
    tls = {"certificate": str(options["ssl_certfile"]), "key": str(options["ssl_keyfile"])}
    with docker_registry(folder / "registry", tls=tls) as host:
        yield Distribution(host, Settings(ca=ca))


@contextmanager
def _by_token(folder: Path) -> Iterator[Distribution]:
    with closing(TokenServer(folder)) as tokens:
        auth = {
            "realm": f"http://localhost:{tokens.port}/token",
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": str(tokens.certificate),
        }
        with docker_registry(folder / "registry", auth={"token": auth}) as host:
            yield Distribution(host, credential=_PERSON)


SHAPES = {"open": _open, "password": _by_password, "tls": _by_tls, "token": _by_token}


def distribution(shape: str, folder: Path) -> AbstractContextManager[Distribution]:
    """A docker-registry for the time of the block; all that it keeps is in `folder`, which is made."""
    folder.mkdir()
    return SHAPES[shape](folder)


class TokenServer:
    """Gives tokens to `USER`, and tokens for nothing to strangers. distribution, "Token Authentication"."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "token.pem"
        self._key = folder / "token.key"
        self._openssl = require_tool("openssl")
        subject = ("-subj", "/CN=krust tokens", "-days", "2", "-nodes", "-newkey", "rsa:2048")
        run(self._openssl, "req", "-x509", *subject, "-keyout", self._key, "-out", self.certificate)
        lines = self.certificate.read_text().splitlines()
        self._chain = "".join(lines[1:-1])
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="tokens")
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def token(self, scopes: list[str]) -> str:
        now = int(time.time())
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        claims = {"iss": ISSUER, "sub": USER, "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now}
        parts = [{"typ": "JWT", "alg": "RS256", "x5c": [self._chain]}, {**claims, "access": access, "jti": "1"}]
        text = ".".join(_packed(json.dumps(part).encode()) for part in parts)
        signature = run(self._openssl, "dgst", "-sha256", "-sign", self._key, stdin=text.encode()).stdout
        return f"{text}.{_packed(signature)}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                authorization = self.headers.get("Authorization", "")
                known = authorization and b64decode(authorization.partition(" ")[2]).decode() == f"{USER}:{PASSWORD}"
                if authorization and not known:
                    self._answer(401, {"details": "incorrect username or password"})
                    return
                asked = parse_qs(urlsplit(self.path).query).get("scope", [])
                self._answer(200, {"token": tokens.token(asked if known else []), "expires_in": 300})

            def _answer(self, status: int, value: object) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        return Handler


def _packed(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
