"""Reference: an image in a registry. distribution-spec 1.1, "Pulling manifests"; docker's defaults for short names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from plumbing.errors import Malformed
from plumbing.oci.digest import Digest

_FORM = "host[:port]/repository[:tag][@digest]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{{1,5}}))?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LONGEST = 255
DOCKER_HUB = "docker.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`registry` is host[:port]; `repository` is without tag and digest. Neither of these: the repository itself."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        if self.registry == DOCKER_HUB and "/" not in self.repository:
            object.__setattr__(self, "repository", f"library/{self.repository}")
        if not _is_registry(self.registry):
            raise Malformed("reference", str(self), expected=f"{_FORM}, a host before the first '/'")
        if not _REPOSITORY.fullmatch(self.repository):
            raise Malformed("reference", str(self), expected=f"{_FORM}, the repository in lower case")
        if len(self.registry) + len(self.repository) + 1 > _LONGEST:
            raise Malformed("reference", str(self), expected=f"host and repository of at most {_LONGEST} characters")
        if self.tag is not None:
            check_tag(self.tag)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From host/repository[:tag][@digest]; `alpine` and `me/app` are on docker.io, as for docker."""
        rest, at, digest = text.partition("@")
        first, slash, others = rest.partition("/")
        if slash and _reads_as_host(first):
            registry, name = first, others
        else:
            registry, name = DOCKER_HUB, rest
        repository, colon, tag = name.partition(":")
        if not text or (at and not digest) or (colon and not tag):
            raise Malformed("reference", text, expected=_FORM)
        return cls(
            registry=registry,
            repository=repository,
            tag=tag if colon else None,
            digest=Digest.parse(digest) if at else None,
        )

    def at(self, digest: Digest) -> Reference:
        """The same repository, by digest and nothing else."""
        return replace(self, tag=None, digest=digest)

    def tagged(self, tag: str) -> Reference:
        """The same repository, by tag and nothing else."""
        return replace(self, tag=tag, digest=None)

    @property
    def name(self) -> str:
        """host/repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.name}{tag}{digest}"


def _reads_as_host(text: str) -> bool:
    """Whether what stands before the first '/' is a host, and not the first part of a repository on docker.io."""
    return text == "localhost" or "." in text or ":" in text


def _is_registry(text: str) -> bool:
    parts = _REGISTRY.fullmatch(text)
    if parts is None or not _reads_as_host(text) or len(text) > _LONGEST:
        return False
    if parts["ipv6"] is not None:
        from ipaddress import AddressValueError, IPv6Address

        try:
            IPv6Address(parts["ipv6"])
        except AddressValueError:
            return False
    return parts["port"] is None or 0 < int(parts["port"]) < 1 << 16


def check_tag(text: str) -> str:
    """`text` itself. Raises Malformed unless it is a tag. distribution-spec 1.1, "Pulling manifests"."""
    if not _TAG.fullmatch(text):
        raise Malformed("tag", text, expected="letters, digits, '_', '.', '-'; at most 128")
    return text


def check_repository(text: str) -> str:
    """`text` itself. Raises Malformed unless it is a repository's name, such as app or team/app."""
    if not _REPOSITORY.fullmatch(text) or len(text) > _LONGEST:
        raise Malformed("repository", text, expected="lower-case letters and digits, joined by '.', '_', '-' and '/'")
    return text
