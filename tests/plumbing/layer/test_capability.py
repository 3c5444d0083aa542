"""File capabilities, beside the kernel's struct and libcap's own programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed
from plumbing.layer.capability import _NAMES, capabilities_text, parse_capabilities
from tests.tools import require, require_tool, run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cap_net_bind_service=ep", "0100000200040000000000000000000000000000"),
        ("cap_net_bind_service=+ep", "0100000200040000000000000000000000000000"),
        ("cap_net_bind_service+ep", "0100000200040000000000000000000000000000"),
        ("CAP_NET_BIND_SERVICE=EP", "0100000200040000000000000000000000000000"),
        ("cap_net_raw=p", "0000000200200000000000000000000000000000"),
        ("cap_net_raw,cap_chown=eip", "0100000201200000012000000000000000000000"),
        ("cap_checkpoint_restore=ep", "0100000200000000000000000001000000000000"),
        ("cap_net_raw=ep cap_net_raw-e cap_chown=p", "0000000201200000000000000000000000000000"),
        ("cap_net_raw=eip-i", "0100000200200000000000000000000000000000"),
        ("all=p cap_chown-p", "00000002feffffff00000000ff01000000000000"),
        ("=p", "00000002ffffffff00000000ff01000000000000"),
    ],
)
def test_setcap_text_is_the_kernels_struct(text: str, expected: str) -> None:
    assert parse_capabilities(text).hex() == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "one capability at least"),
        ("cap_net_raw", "NAME"),
        ("+ep", "NAME"),
        ("cap_net_raw=", "permitted or inheritable"),
        ("cap_net_raw=e", "permitted or inheritable"),
        ("cap_net_raw=x", "NAME"),
        ("cap_net_bind_servise=ep", "perhaps cap_net_bind_service"),
        ("net_raw=ep", "perhaps cap_net_raw"),
        ("cap_net_bind=ep", "perhaps cap_net_bind_service"),
        ("cap_xyzzy=ep", "capabilities.7."),
        ("cap_chown,=ep", "a capability of Linux"),
        ("64=ep", "capability '64'"),
        (f"{'1' * 5000}=ep", "capability '111"),
        ("cap_net_raw=ep cap_chown=p", "for all the capabilities of the file or for none"),
        ("cap_net_raw=ep\0", "NAME"),
    ],
)
def test_other_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        parse_capabilities(text)


@pytest.mark.parametrize(
    "value", [b"", bytes(20), bytes.fromhex("01000002") + bytes(15), bytes.fromhex("01000001") + bytes(8)]
)
def test_other_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(Malformed, match="revision 2"):
        capabilities_text(value)


def test_the_root_user_of_revision_3_is_left_out() -> None:
    value = bytes.fromhex("0100000300040000000000000000000000000000") + (1000).to_bytes(4, "little")
    assert capabilities_text(value) == "cap_net_bind_service=ep"


def texts() -> st.SearchStrategy[str]:
    flags = st.sampled_from(["p", "i", "ip"])
    return st.builds(
        lambda held, e: " ".join(f"{name}={'e' if e else ''}{flags}" for name, flags in held.items()),
        st.dictionaries(st.sampled_from(_NAMES), flags, min_size=1, max_size=6),
        st.booleans(),
    )


@given(texts())
def test_capabilities_parse_back_from_their_text(text: str) -> None:
    value = parse_capabilities(text)
    assert parse_capabilities(capabilities_text(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "cap_net_bind_service=ep",
        "cap_net_bind_service=+ep",
        "cap_chown,cap_net_raw=eip",
        "cap_net_raw=p",
        "cap_bpf,cap_checkpoint_restore=i",
        "cap_net_raw=eip-i",
        "cap_net_raw=ep cap_chown+p cap_chown+e",
    ],
)
def test_libcap_agrees(text: str, tmp_path: Path) -> None:
    setcap, getcap = require_tool("setcap"), require_tool("getcap")
    require(os.geteuid() == 0, "only root may set capabilities")
    path = tmp_path / "file"
    path.touch()
    run(setcap, text, path)
    value = os.getxattr(path, "security.capability")  # type: ignore[attr-defined,unused-ignore]
    assert value == parse_capabilities(text)
    assert run(getcap, path).stdout.decode().split(" ", 1)[1].strip() == capabilities_text(value)
