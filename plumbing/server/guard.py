"""Who may ask. The server listens on loopback only, but a browser on this machine runs everybody's pages."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from plumbing.errors import shown
from plumbing.server.refusal import Refusal, answer

_READS = ("GET", "HEAD")


class Guard:
    """An ASGI layer that refuses what a web page sends, other names for this machine, and, on demand, all writes."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] = (), read_only: bool = False) -> None:
        """hosts  names that this server may be asked by, besides those of loopback; without ports"""
        self._app = app
        self._hosts = frozenset(hosts)
        self._read_only = read_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            try:
                self._check(request)
            except Refusal as refusal:
                response = await answer(request, refusal)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, request: Request) -> None:
        host = request.headers.get("host", "")
        if not (is_loopback(_name(host)) or _name(host) in self._hosts):
            # a page's own name that was made to resolve to 127.0.0.1 (DNS rebinding) would make it this server's page
            raise Refusal(403, "DENIED", f"cannot answer for the host '{shown(host)}': ask 'localhost'")
        if "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none":
            raise Refusal(403, "DENIED", "cannot answer a web page: this registry is for programs")
        if self._read_only and request.method not in _READS:
            headers = {"Allow": ", ".join(_READS)}
            raise Refusal(405, "UNSUPPORTED", f"cannot {request.method}: this registry is read-only", headers)


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an IP address without brackets, can only be this machine. RFC 6761, section 6.3."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _name(host: str) -> str:
    """A Host header without its port and brackets. RFC 9110, section 7.2."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
