from __future__ import annotations

from collections.abc import Callable

import pytest

from krust.config import values
from plumbing.errors import Malformed


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (values.repo, "ghcr.io/me/", "ghcr.io/me"),
        (values.repo, "localhost:5000", "localhost:5000"),
        (values.platform, "linux/arm64/v8", "linux/arm64"),
        (values.platform, "linux/arm", "linux/arm/v7"),
        (values.platform, "all", "all"),
        (values.base, "scratch", "scratch"),
        (values.port, "8080", "8080/tcp"),
        (values.port, "053/udp", "53/udp"),
        (values.user, "65532:65532", "65532:65532"),
        (values.user, "nonroot", "nonroot"),
        (values.stop_signal, "SIGRTMIN+3", "SIGRTMIN+3"),
        (values.stop_signal, "15", "15"),
        (values.capability, "cap_net_raw", "cap_net_raw=ep"),
        (values.capability, "cap_net_raw=p", "cap_net_raw=p"),
        (values.mode, "0644", 0o644),
        (values.mode, "1777", 0o1777),
        (values.owner, "1000", (1000, 1000)),
        (values.owner, "1000:0", (1000, 0)),
        (values.compression, "zstd", "zstd"),
    ],
)
def test_a_text_becomes_its_value(parse: Callable[[str], object], text: str, expected: object) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("parse", "texts"),
    [
        (values.repo, ["", "ghcr.io/Me", "https://ghcr.io", "ghcr.io/me:tag", "/"]),
        (values.image, ["", "Hello", f"ghcr.io/me/hello@sha256:{64 * 'a'}"]),
        (values.base, ["", "Static", "a b"]),
        (values.platform, ["", "linux", "linux/mips", "windows/amd64", "Local"]),
        (values.port, ["", "0", "65536", "80/http", "80-90", "-1", "٨٠", "80\n"]),
        (values.user, ["", ":", "1000:", "a b", "1000:1000:1000", "root\n"]),
        (values.absolute, ["", "var/lib", "/var\0"]),
        (values.stop_signal, ["", "TERM", "sigterm", "0", "SIGTERM "]),
        (values.capability, ["", "cap_net_bnd", "=", "cap_net_raw=q"]),
        (values.mode, ["", "8", "0o644", "77777", "rw-r--r--"]),
        (values.owner, ["", "root", "-1", "4294967296", "1:2:3"]),
        (values.compression, ["", "lz4", "GZIP"]),
        (values.profile, ["", "a b", "../x"]),
        (values.feature, ["", "a b", "a,b"]),
        (values.variable, ["", "A=B", "A\0"]),
        (values.word, [""]),
        (values.text, ["\0"]),
    ],
)
def test_anything_else_is_refused(parse: Callable[[str], object], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(Malformed):
            parse(text)
