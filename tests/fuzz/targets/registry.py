"""plumbing/registry: what registries and token servers say, and the files that hold credentials."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from urllib.parse import urlsplit

from plumbing.errors import Malformed, RegistryError
from plumbing.registry import authfile, challenge, dockerconfig, redirect, retry, scope
from plumbing.registry.authfile import AuthFile
from plumbing.registry.challenge import Challenge
from plumbing.registry.credential import Credential, CredentialError
from plumbing.registry.helper import Ended, Helper
from plumbing.registry.message import Answer, Headers, Request
from plumbing.registry.origin import Origin, is_local
from plumbing.registry.problem import SHOWN, Problem
from plumbing.registry.settings import Clock
from plumbing.registry.token import SHORTEST, Realm, Token, basic
from plumbing.registry.upload import _RANGE as RANGE
from tests.fuzz.target import folder, malformed, target, text, tried

_SECRET = "s3cr3t-0f-n0b0dy"
_REGISTRY = Origin.of("https://registry.example")
_ASKED = "https://registry.example/v2/app/blobs/uploads/"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110, section 5.6.2, in lower case


def _header(data: bytes) -> str:
    """As plumbing/registry/transport.py hands it over."""
    return data.decode("utf-8", "replace").strip(" \t")


@target("Bearer ", "Basic ", "Negotiate ", 'realm="', 'service="', 'scope="', '",', "\\", "=")
def challenges(data: bytes) -> None:
    found = challenge.parse([_header(data)])
    for each in found:
        assert _TOKEN.fullmatch(each.scheme)
        assert all(_TOKEN.fullmatch(name) for name in each.fields)
    written = ", ".join(map(_written, found))
    assert challenge.parse([written]) == found, f"{written!r} is read as something else"
    chosen = challenge.choose(found)
    assert chosen is None or chosen.scheme in ("bearer", "basic")
    if chosen is not None and chosen.scheme == "bearer":
        _check_realm(chosen)


def _written(each: Challenge) -> str:
    """RFC 9110, section 11.6.1, each value in quotes."""
    fields = (
        f'{name}="{re.sub(chr(92) * 2 + "|" + chr(34), chr(92) * 2 + chr(92) + "g<0>", value)}"'
        for name, value in each.fields.items()
    )
    return f"{each.scheme} {', '.join(fields)}"


def _check_realm(chosen: Challenge) -> None:
    realm = tried(RegistryError, Realm.of, chosen, _ASKED, _REGISTRY, frozenset())
    if realm is None:
        return
    assert realm.origin.scheme == "https", "a password would go over a plain connection"
    assert not realm.origin.is_local
    request = realm.get(("repository:app:pull",), Credential.given("user", _SECRET))
    assert _SECRET not in request.url
    assert Origin.of(request.url) == realm.origin
    assert Origin.of(realm.post((), _SECRET).url) == realm.origin


@target("https://", "http://", "registry.example", ":443", "127.0.0.1", "[::1]", "//", "@", "?", "#")
def location(data: bytes) -> None:
    """Where an upload goes on, and where a redirect leads."""
    said = _header(data)
    answer = Answer(202, Headers([("location", said)]), _ASKED)
    url = tried(RegistryError, redirect.target, answer, said, _REGISTRY, "push")
    if url is None:
        return
    origin = Origin.of(url)
    assert origin.scheme == "https"
    assert not origin.is_local
    assert redirect.shown_url(url).isprintable()
    query = said.partition("#")[0].partition("?")[2]
    assert not query or url.endswith(f"?{query}"), "its query is another"
    assert _SECRET.encode() not in data or _SECRET not in redirect.shown_url(f"{url.partition('?')[0]}?x={_SECRET}")
    asked = Request(method="GET", url=_ASKED, doing="fetch", headers={"Authorization": _SECRET})
    moved = redirect.follow(asked, Answer(307, Headers([("location", said)]), _ASKED), _REGISTRY)
    assert (_SECRET in moved.headers.values()) == (origin == _REGISTRY), "the secrets go elsewhere"


@target("</v2/app/tags/list?n=1&last=a>", '; rel="next"', "; rel=next", "<", ">", ",", ";")
def link(data: bytes) -> None:
    answer = Answer(200, Headers([("link", _header(data))]), "https://registry.example/v2/app/tags/list?n=1")
    url = tried(RegistryError, redirect.next_page, answer, "list")
    assert url is None or Origin.of(url) == _REGISTRY
    redirect.shown_headers([("link", _header(data)), ("location", _header(data))], answer.url)


@target("0-", "bytes=0-", "Mon, 23 Nov 2026 08:00:00 GMT", "-0000", "+2359")
def other_headers(data: bytes) -> None:
    """Retry-After, Content-Length, Range."""
    said = _header(data)
    seconds = retry.retry_after(said, Clock())
    assert seconds is None or 0 <= seconds <= retry.LONGEST
    length = Headers([("content-length", said)]).length
    assert length is None or length >= 0
    if (match := RANGE.fullmatch(said)) is not None:
        assert int(match[1]) >= 0


@target("https://", "http://", ":443", "[::1]", "[", "]", "@", "%", "/", "127.1", "0x7f", "localhost", "xn--")
def origin(data: bytes) -> None:
    """What credentials are bound to has to be what the DNS is asked for."""
    url = text(data)
    is_local(url)
    malformed(redirect.shown_url, url)
    found = malformed(Origin.of, url)
    if found is not None:
        assert Origin.of(str(found)) == found
        assert found.host.isascii()
        assert urlsplit(f"{found}/").netloc == found.authority
        assert not found.is_local or is_local(found.host)


_AUTHS = (
    '{"auths":{',
    '"registry.example":{',
    '"https://index.docker.io/v1/":{',
    '"auth":"dXNlcjpwYXNz"',
    '"identitytoken":"t"',
    '"registrytoken":"t"',
    '"username":"u"',
    '"password":"p"',
    '"credHelpers":{"registry.example":"x"}',
    '"credsStore":"x"',
    "\\ud800",
    "null",
    "{}",
    "NaN",
)


@target(*_AUTHS)
def auth_files(data: bytes) -> None:
    """docker's config.json and .dockercfg, podman's auth.json, DOCKER_AUTH_CONFIG."""
    files = [malformed(kind, data, "the file") for kind in (AuthFile.docker, AuthFile.podman, AuthFile.flat)]
    files.append(malformed(AuthFile.variable, text(data), "the variable"))
    for file in files:
        for host in ("registry.example", "docker.io", "localhost:5000"):
            if file is not None:
                malformed(file.helpers_of, host)
                found = malformed(file.find, host, "team/app")
                if found is not None:
                    _check_credential(found)


def _check_credential(found: Credential) -> None:
    basic(found)
    secrets = [each for each in (found.password, found.identity_token, found.registry_token) if each]
    again = authfile.from_json(authfile.to_json(found), found.source, "auths")
    if found.username is not None and (found.password or not found.identity_token) and not found.registry_token:
        assert again == found, "it is written as something else"
    for secret in secrets:
        if len(secret) > 8 and secret not in (found.username or ""):
            assert secret not in repr(found) + str(found)


@target(*_AUTHS, longest=1 << 14)
def login(data: bytes) -> None:
    """Logging in and out again leaves all else in docker's config.json as it was."""
    with folder() as place:
        path = place / "config.json"
        path.write_bytes(data)
        before = malformed(authfile.load, data, "the file")
        given = Credential.given("user", "password")
        try:
            dockerconfig.store(path, "new.example", given)
        except (Malformed, CredentialError):
            assert path.read_bytes() == data
            return
        file = AuthFile.docker(path.read_bytes(), str(path))
        found = file.find("new.example", "")
        assert found is not None
        assert (found.username, found.password) == ("user", "password")
        after = authfile.load(path.read_bytes(), "the file")
        assert before is not None
        assert {**after, "auths": None} == {**before, "auths": None}
        others = {key: value for key, value in after["auths"].items() if key != "new.example"}
        assert others == {key: each for key, each in (before.get("auths") or {}).items() if key != "new.example"}
        dockerconfig.erase(path, "new.example")
        assert not AuthFile.docker(path.read_bytes(), str(path)).find("new.example", "")


@target('{"Username":"u","Secret":"s"}', "credentials not found in native keychain", '"<token>"', "null")
def helper_answer(data: bytes) -> None:
    for code in (0, 1):
        ended = Ended(code, data)
        helper = Helper(name="x", named_in="the file", run=lambda *_, ended=ended: ended)
        try:
            found = tried(CredentialError, helper.get, "registry.example")
        except Malformed:
            continue
        assert found is None or code == 0


@target('{"token":"', '"access_token":"', '"expires_in":', "300", "1e999", "NaN", "Infinity", "null")
def token(data: bytes) -> None:
    found = tried(RegistryError, Token.parse, data, host="auth.example", now=1000.0)
    if found is not None:
        assert found.until >= 1000.0 + SHORTEST
        assert re.fullmatch(r"[!-~]+", found.text), "it would not fit into a header"
        assert found.is_fresh(1000.0)


@target(
    '{"errors":[{"code":"DENIED","message":"no","detail":{}}]}',
    '{"error":"invalid_grant","error_description":"x"}',
    '{"details":"x"}',
    "<html>",
    "<script>",
    "</style>",
    "\x1b[31m",
    "\x1b]0;",
    "\x07",
)
def problem(data: bytes) -> None:
    found = Problem.parse(data)
    assert found.text.isprintable()
    assert len(found.text) <= SHOWN
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]{1,63}", code) for code in found.codes)
    with suppress(ValueError, RecursionError):
        value = json.loads(data)
        if isinstance(value, dict) and isinstance(value.get("message"), str) and "errors" not in value:
            assert len(found.codes) == 0


@target("repository:a/b:pull", "push", ":", ",", "*")
def scopes(data: bytes) -> None:
    asked = tuple(text(data).split(" "))
    merged = scope.merge(asked, ("repository:app:pull",))
    assert scope.merge(merged, ()) == merged
    assert scope.merge(merged, asked) == merged
