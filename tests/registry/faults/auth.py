"""Faults of authentication. registries.md, 3 and 4.4. Any of these switches makes the registry ask for a login.

The registry takes `registry.user` with `registry.password`, and the identity token `registry.identity`. A token is good
for the scopes it was asked for. One `Authority` does all this; each switch changes one thing about it.
"""

from __future__ import annotations

import binascii
import json
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Message

from tests.registry.faults.exchange import SWITCHES, Exchange, Go, Layer, once
from tests.registry.faults.server import Registry
from tests.secrets import secret

OVERSIZE = 64 << 20


@dataclass(slots=True)
class Token:
    """`granted`: repository to the actions allowed there; `scopes` as they were asked."""

    scopes: list[str]
    granted: dict[str, set[str]]
    until: float
    uses: float

    @property
    def good(self) -> bool:
        return time.monotonic() < self.until and self.uses > 0

    def expire(self) -> None:
        self.uses = 0


Needs = dict[str, set[str]]


@dataclass(slots=True)
class Authority:
    registry: Registry
    challenges: Callable[[str], list[str]] = lambda bearer: [bearer]
    """The WWW-Authenticate headers, given the right one."""
    realm: Callable[[Exchange], str] = lambda x: f"{x.base(x.origin)}/token"
    scope: Callable[[Exchange, Needs], str | None] = lambda x, needs: scope_text(needs)
    """What the challenge asks for."""
    reply: Callable[[str], dict[str, Any]] = lambda token: {"token": token, "expires_in": 300}
    honoured: Callable[[list[str]], list[str]] = lambda scopes: scopes
    accepts: Callable[[Token, Exchange, Needs], bool] = lambda token, x, needs: covers(token, needs)
    basic: bool = False
    anonymous: bool = False
    no_challenge: Callable[[Exchange], bool] = lambda x: False
    token_endpoint: Callable[[Exchange], Any] | None = None
    """Answers a request for a token instead, if it returns True."""
    post_status: int | None = None
    lifetime: float = 300.0
    uses: float = float("inf")
    refuse_after: Callable[[Exchange, Token], bool] = lambda x, token: False
    """Whether the request is carried out, and then answered 401."""
    tokens: dict[str, Token] = field(default_factory=dict)

    async def layer(self, x: Exchange, go: Go) -> None:
        if x.kind == "token":
            await self._token(x)
        elif x.origin != "main":
            await go()  # storage, where the URL itself is the permission
        elif self.basic:
            if not self._is_user(x):
                await self._challenge(x, needs(x))
            else:
                await go()
        else:
            await self._bearer(x, go)

    async def _bearer(self, x: Exchange, go: Go) -> None:
        scheme, _, value = x.headers.get("authorization", "").partition(" ")
        token = self.tokens.get(value) if scheme.lower() == "bearer" else None
        if token is None or not token.good or not self.accepts(token, x, needs(x)):
            error = "" if token is None or not token.good else "insufficient_scope"
            await self._challenge(x, needs(x), error)
            return
        token.uses -= 1
        source = x.param("from")
        if source is not None and "pull" not in token.granted.get(source, set()):
            x.query = ""  # as Docker Hub does it: no mount, an upload
        if self.refuse_after(x, token):
            await x.held_back(go)
            token.expire()
            await self._challenge(x, needs(x))
            return
        await go()

    async def _challenge(self, x: Exchange, needed: Needs, error: str = "") -> None:
        if self.no_challenge(x):
            await x.refuse(401, "UNAUTHORIZED", "authentication required")
            return
        if self.basic:
            right = 'Basic realm="test registry"'
        else:
            right = f'Bearer realm="{self.realm(x)}",service="test, registry"'
            scope = self.scope(x, needed)
            if scope is not None:
                right += f',scope="{scope}"'
            if error:
                right += f',error="{error}"'
        body = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}).encode()
        headers = [(b"www-authenticate", line.encode()) for line in self.challenges(right)]
        headers += [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
        await x.send({"type": "http.response.start", "status": 401, "headers": headers})
        await x.send({"type": "http.response.body", "body": body})

    async def _token(self, x: Exchange) -> None:
        if self.token_endpoint is not None and await self.token_endpoint(x):
            return
        if x.method == "POST":
            if self.post_status is not None:
                await x.refuse(self.post_status, "UNKNOWN", "no OAuth2 here")
                return
            asked = parse_qs((await x.body()).decode())
            if asked.get("grant_type") != ["refresh_token"] or asked.get("refresh_token") != [self.registry.identity]:
                await x.refuse(401, "UNAUTHORIZED", "malformed grant, or no such refresh token")
                return
            scopes = asked.get("scope", [""])[0].split()
        else:
            if not self._is_user(x) and not (self.anonymous and "authorization" not in x.headers):
                await x.refuse(401, "UNAUTHORIZED", "incorrect username or password")
                return
            scopes = [scope for text in parse_qs(x.query).get("scope", []) for scope in text.split()]
        scopes = self.honoured(scopes)
        value = secret(token_urlsafe())
        self.tokens[value] = Token(scopes, granted(scopes), time.monotonic() + self.lifetime, self.uses)
        await x.answer(200, json.dumps(self.reply(value)).encode(), Content_Type="application/json")

    def _is_user(self, x: Exchange) -> bool:
        scheme, _, value = x.headers.get("authorization", "").partition(" ")
        try:
            user, _, password = b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        known = (self.registry.user, self.registry.password), ("<token>", self.registry.identity)
        return scheme.lower() == "basic" and (user, password) in known


def needs(x: Exchange) -> Needs:
    if x.kind in ("version", "other", "token"):
        return {}
    return {x.name: {"pull"} if x.method in ("GET", "HEAD") and x.kind != "upload" else {"pull", "push"}}


def scope_text(needed: Needs) -> str | None:
    order = ("pull", "push", "delete")
    texts = (f"repository:{name}:{','.join(a for a in order if a in actions)}" for name, actions in needed.items())
    return " ".join(texts) or None


def granted(scopes: list[str]) -> Needs:
    known: Needs = {}
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind == "repository":
            known.setdefault(name, set()).update(actions.split(","))
    return known


def covers(token: Token, needed: Needs) -> bool:
    return all(actions <= token.granted.get(name, set()) for name, actions in needed.items())


# Each switch: what it changes about the authority. `value` is as in `registry(switch=value)`.

Change = Callable[[Authority, Any], None]
CHANGES: dict[str, Change] = {}


def auth_switch(change: Change) -> Change:
    CHANGES[change.__name__] = change
    return change


@auth_switch
def bearer(authority: Authority, value: Any) -> None:
    """No fault: an ordinary login by token."""


@auth_switch
def many_challenges(authority: Authority, value: Any) -> None:
    def around(right: str) -> list[str]:
        rest = right.partition(" ")[2]
        odd = rest.replace("service=", "SerVice=").replace('",', '" , ')
        return ['Negotiate, NTLM TlRMTVNTUAAC, Digest realm="a, b", nonce="Bearer realm=\\"x\\""', f"bEARer {odd}, Foo"]

    authority.challenges = around


@auth_switch
def basic_only(authority: Authority, value: Any) -> None:
    authority.basic = True


@auth_switch
def anonymous_token(authority: Authority, value: Any) -> None:
    authority.anonymous = True


@auth_switch
def token_expires_mid_upload(authority: Authority, value: Any) -> None:
    """value  "PATCH" or "PUT": at the first such request of an upload; a PATCH is carried out all the same, and its
    bytes are in the upload. Or ("seconds", S) or ("requests", N): what each token is good for."""
    if isinstance(value, tuple):
        unit, amount = value
        if unit == "seconds":
            authority.lifetime = amount
            authority.reply = lambda token: {"token": token, "expires_in": 300}  # which is not true
        else:
            authority.uses = amount
        return
    first = once()
    if value == "PATCH":
        authority.refuse_after = lambda x, token: x.kind == "upload" and x.method == "PATCH" and first()
        return
    accepts = authority.accepts

    def expired(token: Token, x: Exchange, needed: Needs) -> bool:
        if x.kind == "upload" and x.method == "PUT" and first():
            token.expire()
            return False
        return accepts(token, x, needed)

    authority.accepts = expired


@auth_switch
def access_token_only(authority: Authority, value: Any) -> None:
    authority.reply = lambda token: {"access_token": token}


@auth_switch
def oauth_post_refused(authority: Authority, value: Any) -> None:
    """value  the status"""
    authority.post_status = value


@auth_switch
def first_scope_only(authority: Authority, value: Any) -> None:
    authority.honoured = lambda scopes: scopes[:1]


@auth_switch
def insufficient_scope(authority: Authority, value: Any) -> None:
    """What would write needs "delete" too, which nobody asks for unless told so."""

    def wider(x: Exchange, needed: Needs) -> Needs:
        return {name: actions | {"delete"} if "push" in actions else actions for name, actions in needed.items()}

    authority.scope = lambda x, needed: scope_text(wider(x, needed))
    authority.accepts = lambda token, x, needed: covers(token, wider(x, needed))


@auth_switch
def scope_aws(authority: Authority, value: Any) -> None:
    authority.scope = lambda x, needed: "aws"
    authority.accepts = lambda token, x, needed: "aws" in token.scopes


@auth_switch
def pull_only_token(authority: Authority, value: Any) -> None:
    """Whoever did not ask for push with the first token does not learn that it is missing."""
    authority.anonymous = True
    authority.scope = lambda x, needed: scope_text({name: {"pull"} for name in needed})
    authority.no_challenge = lambda x: "authorization" in x.headers


@auth_switch
def always_401(authority: Authority, value: Any) -> None:
    authority.accepts = lambda token, x, needed: False


@auth_switch
def realm_foreign(authority: Authority, value: Any) -> None:
    """value  True: at the other origin; "relative": a path"""
    authority.realm = (lambda x: "/token") if value == "relative" else (lambda x: f"{x.base('other')}/token")


@auth_switch
def realm_bad(authority: Authority, value: Any) -> None:
    """value  "null", "http" (in the clear, for use with TLS), "local" (an address, for use with the made-up name),
    "redirect" (a good realm, that redirects to a local address); or any other text, as it is"""
    local = f"{authority.registry.scheme}://{authority.registry.other}/token"
    realms: dict[str, Callable[[Exchange], str]] = {
        "null": lambda x: "null://null",
        "http": lambda x: f"{x.base('plain')}/token",
        "local": lambda x: local,
        "redirect": lambda x: f"{x.base(x.origin)}/token/moved",
    }
    authority.realm = realms.get(value, lambda x: str(value))

    async def moved(x: Exchange) -> bool:
        if x.path != "/token/moved":
            return False
        await x.answer(307, Location=local)
        return True

    authority.token_endpoint = moved


@auth_switch
def token_oversize(authority: Authority, value: Any) -> None:
    async def endless(x: Exchange) -> bool:
        start: Message = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json")],
        }
        await x.send(start)
        for _ in range(OVERSIZE >> 16):
            await x.send({"type": "http.response.body", "body": b" " * (1 << 16), "more_body": True})
        await x.send({"type": "http.response.body", "body": json.dumps(authority.reply("x")).encode()})
        return True

    authority.token_endpoint = endless


def _join(name: str, change: Change) -> Callable[[Registry, Any], Layer]:
    """The switch for `change`: the first that is on makes the authority and is its layer; all change it."""

    def make(registry: Registry, value: Any) -> Layer:
        first = not hasattr(registry.app.state, "authority")
        if first:
            registry.app.state.authority = Authority(registry)
        authority: Authority = registry.app.state.authority
        change(authority, value)
        return authority.layer if first else _nothing

    return make


async def _nothing(x: Exchange, go: Go) -> None:
    await go()


for _name, _change in CHANGES.items():
    SWITCHES[_name] = _join(_name, _change)
