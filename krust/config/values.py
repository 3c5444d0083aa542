"""What a text in a setting has to be. Each function returns the value, or raises Malformed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from plumbing.errors import Malformed
from plumbing.oci.platform import Platform
from plumbing.oci.reference import Reference

if TYPE_CHECKING:
    from plumbing.layer.codec import Codec

ALL, LOCAL = "all", "local"

# Texts, not compiled: most runs need none of them, and compiling takes a millisecond.
_PORT = r"([0-9]{1,5})(?:/(tcp|udp|sctp))?"
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?"
_OWNER = r"([0-9]{1,10})(?::([0-9]{1,10}))?"
_MODE = r"[0-7]{1,4}"
_SIGNAL = r"SIG[A-Z0-9]+(?:[+-][0-9]+)?|[1-9][0-9]?"
_PROFILE = r"[A-Za-z0-9_-]+"
_FEATURE = r"[^\s,]+"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One entry of `files`.

    src   a file or directory of the repository, absolute; None: `dest` is an empty directory
    dest  where it comes to be; see plumbing.layer.entries.Source
    """

    src: Path | None
    dest: str
    mode: int | None = None
    uid: int = 0
    gid: int = 0


def text(value: str) -> str:
    if "\0" in value:
        raise Malformed("text", value, expected="no zero byte")
    return value


def word(value: str) -> str:
    if not text(value):
        raise Malformed("text", value, expected="something")
    return value


def variable(value: str) -> str:
    """A name in an environment. POSIX.1, "Environment Variables"."""
    if "=" in value or not word(value):
        raise Malformed("variable", value, expected="a name without '='")
    return value


def repo(value: str) -> str:
    """A registry, and what repositories begin with there: an image's name comes after it."""
    prefix = value.rstrip("/")
    try:
        Reference.parse(f"{prefix}/name")
    except Malformed:
        expected = "host[:port][/prefix] in lower case, such as ghcr.io/me"
        raise Malformed("repo", value, expected=expected) from None
    return prefix


def image(value: str) -> Reference:
    reference = Reference.parse(value)
    if reference.digest is not None:
        raise Malformed("image", value, expected="host/name[:tag], without the digest that only a build can tell")
    return reference


def base(value: str) -> str:
    Reference.parse(value)  # which `static` and `scratch` are too
    return value


def platform(value: str) -> str:
    """As krust calls it: linux/arm64 for linux/arm64/v8."""
    if value in (ALL, LOCAL):
        return value
    return str(named_platform(value))


def named_platform(value: str) -> Platform:
    from krust.cargo.targets import TARGETS

    wanted = Platform.parse(value)
    for target in TARGETS:
        if wanted.runs(target.platform):
            return target.platform
    raise Malformed("platform", value, expected=f"one of {', '.join(str(target.platform) for target in TARGETS)}")


def profile(value: str) -> str:
    if not re.fullmatch(_PROFILE, value):
        raise Malformed("profile", value, expected="the name of one of cargo's profiles, such as release")
    return value


def feature(value: str) -> str:
    if not re.fullmatch(_FEATURE, value):
        raise Malformed("feature", value, expected="one name of a feature, such as tls")
    return value


def absolute(value: str) -> str:
    if not text(value).startswith("/"):
        raise Malformed("path", value, expected="a path in the image, from its root: /var/lib/app")
    return value


def user(value: str) -> str:
    """image-spec 1.1, config.md, "User"."""
    if not re.fullmatch(_USER, value):
        raise Malformed("user", value, expected="user[:group], each a number or a name, such as 65532:65532")
    return value


def port(value: str) -> str:
    """image-spec 1.1, config.md, "ExposedPorts"."""
    match = re.fullmatch(_PORT, value)
    if match is None or not 0 < int(match[1]) < 1 << 16:
        raise Malformed("port", value, expected="a number from 1 to 65535, with /tcp, /udp or /sctp if need be")
    return f"{int(match[1])}/{match[2] or 'tcp'}"


def stop_signal(value: str) -> str:
    """image-spec 1.1, config.md, "StopSignal"."""
    if not re.fullmatch(_SIGNAL, value):
        raise Malformed("signal", value, expected="a name such as SIGINT, or a number")
    return value


def capability(value: str) -> str:
    """A clause of setcap's: a name alone is meant permitted and effective."""
    from plumbing.layer.capability import parse_capabilities

    clause = value if re.search("[=+-]", word(value)) else f"{value}=ep"
    parse_capabilities(clause)
    return clause


def compression(value: str) -> Codec:
    if value not in ("gzip", "zstd", "none"):
        raise Malformed("compression", value, expected="gzip, zstd or none")
    return cast("Codec", value)


def mode(value: str) -> int:
    if not re.fullmatch(_MODE, value):
        raise Malformed("mode", value, expected="octal digits in quotes, such as '0644'")
    return int(value, 8)


def owner(value: str) -> tuple[int, int]:
    """uid and gid; the gid is the uid where it is not said."""
    match = re.fullmatch(_OWNER, value)
    numbers = [int(number) for number in match.groups(default=match[1])] if match else []
    if not numbers or max(numbers) >= 1 << 32:
        raise Malformed("owner", value, expected="uid[:gid] in numbers, such as 65532:65532")
    return numbers[0], numbers[1]


Field = Literal["src", "dest", "mode", "user"]
FIELDS: Mapping[str, str] = {
    "src": "a file or directory, from the directory of the Cargo.toml that says so; without it, an empty directory",
    "dest": "where it comes to be, from the root; `/etc/` puts a file into `/etc`",
    "mode": 'permissions of each file, octal in quotes: `"0644"`; else 0755 for what may be executed, and 0644',
    "user": "owner, `uid[:gid]` in numbers; else `0:0`",
}
"""Of one entry of `files`, each with its meaning."""
