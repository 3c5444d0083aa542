"""Where an answer may lead: redirects, Location of uploads, Link of pages. registries.md 1.1 and section 3. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urldefrag, urljoin

from plumbing.errors import Malformed, RegistryError
from plumbing.registry.message import Answer, Request
from plumbing.registry.origin import Origin, split
from plumbing.registry.problem import clean

MOST = 5
"""Redirects in a row that are followed."""

_STATUSES = frozenset({301, 302, 303, 307, 308})
_ANY_ORIGIN = frozenset({307, 308})
_USER = re.compile(r"//[^/]*@")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")

# Query fields that anyone may see. All others are blotted out: a registry's state and a storage's signature let
# whoever has them read or write.
_OPEN = frozenset(
    {"artifactType", "client_id", "digest", "from", "last", "mount", "n", "scope", "service", "X-Amz-Expires"}
)


def is_redirect(answer: Answer) -> bool:
    return answer.status in _STATUSES and answer.headers.get("location") is not None


def follow(request: Request, answer: Answer, registry: Origin) -> Request:
    """The request that a redirect asks for, with the body again from its first byte. Raises RegistryError.

    The secrets of `request` stay behind where the origin changes.
    """
    url = target(answer, answer.headers.get("location") or "", registry, request.doing)
    same = Origin.of(url) == Origin.of(request.url)
    if request.private and not same:
        raise _refused(request.doing, registry, answer, shown_url(url), "another host, which your token is not for")
    reads = request.method in ("GET", "HEAD")
    if not reads and (answer.status == 303 or not (same or answer.status in _ANY_ORIGIN)):
        raise RegistryError(
            f"cannot {request.doing}: '{Origin.of(answer.url).authority}' leads {request.method} to '{shown_url(url)}' "
            f"by {answer.status}, which may lose a body; name the registry that it leads to",
            host=registry.authority,
            status=answer.status,
        )
    return request.moved(url, keep_secrets=same)


def target(answer: Answer, location: str, registry: Origin, doing: str) -> str:
    """`location` as an absolute URL, its query byte for byte. Raises RegistryError where krust does not go.

    registry  for whom this is done: to a local address only if that is local itself, from https to http never, but
              http to the registry's own host is https behind a proxy that ends TLS
    """
    try:
        if _CONTROL.search(location):
            raise Malformed("URL", location, expected="no spaces and no control characters")
        url, _ = urldefrag(_join(answer.url, location))
        origin = Origin.of(url)
    except (Malformed, ValueError):
        plain = _USER.sub("//", clean(location.partition("?")[0]))
        raise _refused(doing, registry, answer, plain, "no URL of http or https with a host") from None
    if registry.scheme == "https" and origin.scheme == "http":
        if origin.host != registry.host:
            raise _refused(doing, registry, answer, shown_url(url), "http, although the registry speaks https")
        url = f"{registry}{url[len('http://') + len(split(url).netloc) :]}"
        origin = registry
    if origin.is_local and not registry.is_local and origin != registry:
        raise _refused(
            doing,
            registry,
            answer,
            shown_url(url),
            "an address of the local network",
        )
    return url


def next_page(answer: Answer, doing: str) -> str | None:
    """The URL of the page after this one, by Link; None on the last. Raises RegistryError for one on another origin.

    RFC 8288; distribution-spec 1.1, "Listing Tags".
    """
    origin = Origin.of(answer.url)
    for value in answer.headers.all("link"):
        for link in re.finditer(r"<([^<>]*)>((?:\s*;\s*[^;,]+)*)", value):
            if re.search(r";\s*rel\s*=\s*\"?next\b", link[2], re.IGNORECASE):
                url = target(answer, link[1], origin, doing)
                if Origin.of(url) != origin:
                    raise _refused(doing, origin, answer, shown_url(url), "another host, which no page of a list is on")
                return url
    return None


def shown_url(url: str) -> str:
    """`url` for messages and logs: the values of all query fields that could be secrets blotted out."""
    parts = split(url)
    netloc = clean(parts.netloc.rpartition("@")[2])
    fields = (
        f"{clean(name)}={clean(value) if name in _OPEN else '***'}"
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    query = "&".join(fields) or ("***" if parts.query else "")
    return f"{parts.scheme}://{netloc}{clean(parts.path)}{f'?{query}' if query else ''}"


_SECRET = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-registry-auth"})
_URLS = frozenset({"location", "link"})


def shown_headers(fields: Mapping[str, str] | list[tuple[str, str]], base: str) -> list[str]:
    """Header lines for logs, without secrets."""
    lines = []
    for name, value in fields.items() if isinstance(fields, Mapping) else fields:
        if name.lower() in _SECRET:
            value = "***"
        elif name.lower() in _URLS:
            value = re.sub(r"[^<>\s;]+", lambda word: _shown_relative(base, word[0]), value)
        lines.append(f"{clean(name)}: {clean(value)}")
    return lines


def _shown_relative(base: str, location: str) -> str:
    try:
        return shown_url(urljoin(base, location)) if "?" in location or "@" in location else location
    except (Malformed, ValueError):
        return "***"


def _join(base: str, location: str) -> str:
    """urljoin, which drops an empty query and changes dots in a path; an absolute URL needs none of it."""
    return location if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", location) else urljoin(base, location)


def _refused(doing: str, registry: Origin, answer: Answer, location: str, why: str) -> RegistryError:
    return RegistryError(
        f"cannot {doing}: '{Origin.of(answer.url).authority}' leads to '{location[:200]}': {why}",
        host=registry.authority,
        status=answer.status,
    )
