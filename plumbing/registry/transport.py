"""Transport: requests out, answers in, over sockets. Import it when a request is made: httpcore is felt.

httpcore carries bytes and nothing else: no redirects, no authentication, no cookies, no netrc, no environment, no
decoding. All that is decided above, where it can be seen.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import httpcore

from plumbing.errors import Malformed, RegistryError
from plumbing.registry.message import Answer, Body, Headers, Lost, NoTls, Request
from plumbing.registry.origin import Origin, is_loopback, split
from plumbing.registry.settings import Settings
from plumbing.registry.wire import Wires

_SAFE = "".join(map(chr, range(0x21, 0x7F)))  # a URL's own bytes: none of them is ours to change
_KEPT = 16  # idle connections, a few more than blobs are moved at once
_LONG = 16 << 20  # bytes of a body that are worth a connection
_PIECE = 512 << 10


class Transport:
    """Carries requests to any host. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wires = Wires()
        self._pools: dict[tuple[str, str | None], httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()

    def send(self, request: Request) -> Answer:
        """The answer's head; its body is read from it. Raises Lost, RegistryError, or what `request.body` raises."""
        origin = Origin.of(request.url)
        body = _Stream(request.body)
        with body, _failing(origin):
            response = self._pool(origin).handle_request(self._outgoing(request, origin, body))
        headers = Headers((_text(name), _text(value)) for name, value in response.headers)
        length = 0 if headers.get("transfer-encoding") else headers.length or 0  # else its end is seen when it comes
        chunks = _chunks(response, length, origin, request.silence or self._settings.silence)
        return Answer(response.status, headers, request.url, chunks, response.close)

    def close(self) -> None:
        """End all connections. Who waits for an answer, in whatever thread, is told that it was lost."""
        self._wires.cut()
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _outgoing(self, request: Request, origin: Origin, body: _Stream) -> httpcore.Request:
        headers = {
            "Host": origin.authority,
            "User-Agent": self._settings.user_agent,
            "Accept-Encoding": "identity",
            **request.headers,
        }
        if request.body is not None:
            headers["Content-Length"] = str(request.body.length)
        host, port = self._address(origin)
        return httpcore.Request(
            request.method,
            httpcore.URL(scheme=origin.scheme, host=host, port=port, target=_target(request.url)),
            headers=[(name.encode("ascii"), value.encode("utf-8")) for name, value in headers.items()],
            content=body,
            extensions={
                # only here: a proxy is connected to with the same extensions
                **({} if host == origin.host else {"sni_hostname": origin.host}),
                "timeout": {
                    "connect": self._settings.connect,
                    "read": request.silence or self._settings.silence,
                    "write": self._settings.silence,
                    "pool": None,
                },
            },
        )

    def _address(self, origin: Origin) -> tuple[str, int]:
        """Where to connect to: host, without brackets, and port."""
        resolve = self._settings.resolve
        found = resolve.get(f"{origin.host}:{origin.port}") or resolve.get(origin.host)
        if found:
            parts = split(f"//{found}")
            return parts.hostname or found, parts.port or origin.port
        return origin.host, origin.port

    def _pool(self, origin: Origin) -> httpcore.ConnectionPool:
        trust = self._trust(origin)
        proxy = proxy_for(origin, self._settings)
        with self._lock:
            if (trust, proxy) not in self._pools:
                self._pools[trust, proxy] = httpcore.ConnectionPool(
                    ssl_context=_context(trust, self._settings) if trust != "none" else None,
                    max_connections=None,
                    max_keepalive_connections=_KEPT,
                    keepalive_expiry=30.0,
                    network_backend=self._wires,
                    proxy=_proxy(proxy, self._settings) if proxy else None,
                )
            return self._pools[trust, proxy]

    def _trust(self, origin: Origin) -> str:
        """How certificates are checked. A context costs time and memory, so plain http has none."""
        if origin.scheme == "http":
            return "none"
        named = {origin.host, origin.authority, f"{origin.host}:{origin.port}"}
        return "any" if named & self._settings.insecure else "checked"


def _target(url: str) -> bytes:
    """What is asked for at the address: the path and query of `url`, byte for byte."""
    parts = split(url)
    return quote(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", safe=_SAFE).encode()


class _Stream:
    """A body as httpcore takes it. `with` it: where an answer comes early, nobody else ends what it was reading."""

    def __init__(self, body: Body | None) -> None:
        self._parts = _parts(body)

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()


def _parts(body: Body | None) -> Generator[bytes, None, None]:
    if body is not None:
        yield from body


def proxy_for(origin: Origin, settings: Settings) -> str | None:
    """The URL of the proxy that leads to `origin`; None for a direct way."""
    proxy = settings.proxies.get(origin.scheme)
    if not proxy or is_loopback(origin.host):
        return None
    for pattern in settings.no_proxy.replace(" ", ",").split(","):
        if pattern and _matches(pattern.lower(), origin):
            return None
    return proxy


def _matches(pattern: str, origin: Origin) -> bool:
    """Whether an entry of NO_PROXY means `origin`: `*`, a host, a domain with all below it, an address, a network."""
    if pattern == "*":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(origin.host) in ipaddress.ip_network(pattern, strict=False)
    host, colon, port = pattern.rpartition(":")
    if colon and port.isdigit():
        if port != str(origin.port):
            return False
        pattern = host.strip("[]")
    domain = pattern.removeprefix("*").removeprefix(".")
    return origin.host == domain or origin.host.endswith(f".{domain}")


def _proxy(url: str, settings: Settings) -> httpcore.Proxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError
        return httpcore.Proxy(
            httpcore.URL(scheme=parts.scheme, host=parts.hostname.encode("idna"), port=parts.port, target="/"),
            auth=(unquote(parts.username), unquote(parts.password or "")) if parts.username else None,
            ssl_context=_context("checked", settings) if parts.scheme == "https" else None,
        )
    except ValueError:
        raise Malformed("proxy URL", url.rpartition("@")[2], expected="http://host:port") from None


def _context(trust: str, settings: Settings) -> ssl.SSLContext:
    if trust == "any":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    paths = ssl.get_default_verify_paths()
    if settings.trust is None and not paths.cafile and not paths.capath:
        context = httpcore.default_ssl_context()  # a Python without a system's authorities has certifi's
    else:
        context = ssl.create_default_context(cafile=_readable(settings.trust))
    if settings.ca is not None:
        context.load_verify_locations(cafile=_readable(settings.ca))
    return context


def _readable(path: Path | None) -> str | None:
    """`path` for OpenSSL, whose own words for a file that is missing or no PEM name no file."""
    if path is None:
        return None
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        raise Malformed("file of certificates", path, expected=f"PEM ({error.strerror or error})") from None
    return str(path)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _chunks(response: httpcore.Response, left: int, origin: Origin, silence: float) -> Iterator[bytes]:
    """The body, of which `left` bytes are to come; 0 where nobody knows."""
    with _failing(origin):
        pieces = response.iter_stream()
        if left < _LONG:
            yield from pieces
            return
        # h11 copies each byte three times, which costs a GiB half a second. The first piece is all that h11 has; what
        # comes after that is read from the connection itself, which carries nothing else afterwards.
        piece = next(pieces, b"")
        while piece:
            yield piece
            left -= len(piece)
            if not left:
                return
            piece = response.extensions["network_stream"].read(min(left, _PIECE), silence)
            if not piece:
                raise httpcore.RemoteProtocolError(f"it ended {left} bytes early")


@contextlib.contextmanager
def _failing(origin: Origin) -> Iterator[None]:
    """Turn what httpcore raises into Lost, with words that a person understands."""
    try:
        yield
    except httpcore.LocalProtocolError as error:
        host = origin.authority
        raise RegistryError(f"cannot send to '{host}': {error}", host=host) from error
    except (
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.TimeoutException,
    ) as error:
        raise _lost(origin, error) from error


_NOT_YET, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED
_OTHER_HOST = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message.rstrip(".")
    if error.verify_code in _OTHER_HOST:
        return f"its certificate is another host's ({said})"
    if error.verify_code == _EXPIRED:
        return f"its certificate is not valid any more ({said}); have it renewed, or look at the clock of this machine"
    if error.verify_code == _NOT_YET:
        return f"its certificate is not valid yet ({said}); look at the clock of this machine"
    return f"its certificate is not trusted ({said}); name its authority with '--ca FILE'"


_PLAIN = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"})
_OTHER_VERSION = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"})


def _misspoken(host: str, reason: str) -> Lost:
    if reason in _PLAIN:
        how = f"say so where that is right: '--plain-http {host}'"
        return NoTls(host, f"it does not speak TLS ({reason}); {how}", final=True)
    if reason in _OTHER_VERSION:
        return Lost(host, f"it speaks no version of TLS that is taken here ({reason}); have it speak 1.2", final=True)
    return Lost(host, f"it does not speak TLS as it should ({reason})")


def _lost(origin: Origin, error: Exception) -> Lost:
    host = origin.authority
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Lost(host, _distrust(cause), final=True)
        if isinstance(cause, socket.gaierror):
            return Lost(host, "no such host", final=cause.errno == socket.EAI_NONAME)
        if isinstance(cause, ssl.SSLError):
            return _misspoken(host, cause.reason or str(cause))
        if isinstance(cause, OSError) and cause.strerror:
            return Lost(host, cause.strerror.lower(), refused=isinstance(cause, ConnectionRefusedError))
        cause = cause.__cause__ or cause.__context__
    match error:
        case httpcore.ConnectTimeout():
            return Lost(host, "it takes no connection")
        case httpcore.TimeoutException():
            return Lost(host, "it fell silent")
        case httpcore.ProxyError():
            return Lost(host, f"the proxy said {error}")
        case httpcore.RemoteProtocolError() if origin.scheme == "http" and not is_loopback(origin.host):
            return Lost(host, f"{_plainly(error)}; it may want TLS: leave out '--plain-http'")
    return Lost(host, _plainly(error))


def _plainly(error: Exception) -> str:
    return str(error).strip().rstrip(".").lower() or "the connection broke"
