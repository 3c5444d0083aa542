"""Origin: scheme, host and port, what credentials are bound to. RFC 6454, section 4."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self
from urllib.parse import SplitResult, urlsplit

from plumbing.errors import Malformed

_PORTS = {"http": 80, "https": 443}
# a name in the DNS (RFC 1035, 2.3.4: its length), or an address, with its zone if it has one
_HOST = re.compile(r"[a-z0-9._:%-]{1,253}")


@dataclass(frozen=True, slots=True)
class Origin:
    """`host` in lower case, as the DNS has it (RFC 5890, A-labels), without the brackets of an IPv6 address."""

    scheme: str
    host: str
    port: int

    @classmethod
    @lru_cache(256)  # of one URL, several times for each request
    def of(cls, url: str) -> Self:
        """Of an absolute URL. Raises Malformed for one that is not http(s), has no host, or has a userinfo."""
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
            host = (parts.hostname or "").rstrip(".")
            if ":" not in host:
                # as the DNS has it, or an address in other digits than ASCII's would look like a name
                host = host.encode("idna").decode("ascii")
        except (ValueError, KeyError):
            raise _malformed(url) from None
        if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or "@" in parts.netloc:
            raise _malformed(url)
        return cls(parts.scheme, host, port)

    @property
    def is_local(self) -> bool:
        """Whether the host is an address that means something else on each machine or network, or says localhost."""
        return is_local(self.host)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def is_loopback(host: str) -> bool:
    """Whether `host`, without a port, is this machine: 127.0.0.0/8, ::1, localhost, *.localhost (RFC 6761)."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


def is_local(host: str) -> bool:
    """Whether `host` is loopback, or an IP literal that is private, link-local or unspecified."""
    address = _address(host.strip("[]").rstrip("."))
    if address is None:
        return is_loopback(host)
    return not address.is_global


def split(url: str) -> SplitResult:
    """The parts of `url`. Raises Malformed where it cannot be read at all."""
    try:
        return urlsplit(url)
    except ValueError:
        raise _malformed(url) from None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _odd_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _odd_address(host: str) -> ipaddress.IPv4Address | None:
    """IPv4 as inet_aton reads it, and with it every resolver: 127.1, 2130706433, 0x7f.0.0.1, 0177.0.0.1."""
    import socket

    if not host[:1].isdigit():
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):  # ValueError: a zero byte, or what is no text
        return None


def _malformed(url: str) -> Malformed:
    return Malformed("URL", url.partition("?")[0].rpartition("@")[2], expected="http:// or https://, and a host")
