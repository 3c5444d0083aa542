"""File capabilities: the text of setcap(8), and the bytes of the attribute `security.capability`. capabilities(7)."""

from __future__ import annotations

import re
import struct
from difflib import get_close_matches

from plumbing.errors import Malformed

ATTRIBUTE = "security.capability"

# linux/capability.h, in the order of their numbers; there are no gaps
# fmt: off
_NAMES = (
    "cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill",
    "cap_setgid", "cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service",
    "cap_net_broadcast", "cap_net_admin", "cap_net_raw", "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module",
    "cap_sys_rawio", "cap_sys_chroot", "cap_sys_ptrace", "cap_sys_pacct", "cap_sys_admin", "cap_sys_boot",
    "cap_sys_nice", "cap_sys_resource", "cap_sys_time", "cap_sys_tty_config", "cap_mknod", "cap_lease",
    "cap_audit_write", "cap_audit_control", "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog",
    "cap_wake_alarm", "cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf",
    "cap_checkpoint_restore",
)
# fmt: on
_ALL = (1 << len(_NAMES)) - 1
_CLAUSE = re.compile(r"(?P<names>[a-z0-9_,]*)(?P<actions>(?:[=+-][eip]*)+)", re.IGNORECASE)
_ACTION = re.compile(r"([=+-])([eip]*)")
_FORM = "NAME[,NAME...]=FLAGS, as setcap(8) has it: cap_net_bind_service=ep"

_REVISION_2 = 0x02000000
_REVISION_3 = 0x03000000
_REVISION_MASK = 0xFF000000
_EFFECTIVE = 0x000001
_STRUCT = struct.Struct("<5I")  # magic, then permitted and inheritable of capabilities 0 to 31, and of 32 to 63


def parse_capabilities(text: str) -> bytes:
    """The value of `security.capability` (VFS_CAP_REVISION_2, 20 bytes) for setcap's `text`.

    text    clauses apart by spaces, each some names (or `all`), then `=`, `+` or `-` with flags of e, i and p
    raises  Malformed; the effective flag is one for the whole file, so that it is for all the others or for none
    source  linux/capability.h `struct vfs_cap_data`; cap_from_text(3)
    """
    sets = {"e": 0, "i": 0, "p": 0}
    clauses = text.split()
    for clause in clauses:
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise Malformed("capabilities", text, expected=_FORM)
        mask = _mask(match["names"].lower(), match["actions"], text)
        for sign, flags in _ACTION.findall(match["actions"].lower()):
            for flag in sets:
                if sign == "=":
                    sets[flag] &= ~mask
                if flag in flags:
                    sets[flag] = sets[flag] & ~mask if sign == "-" else sets[flag] | mask
    held = sets["p"] | sets["i"]
    if not clauses or not held:
        raise Malformed("capabilities", text, expected=f"one capability at least, permitted or inheritable: {_FORM}")
    if sets["e"] not in (0, held):
        raise Malformed("capabilities", text, expected="'e' for all the capabilities of the file or for none of them")
    low, high = 0xFFFFFFFF, 32
    return _STRUCT.pack(
        _REVISION_2 | (_EFFECTIVE if sets["e"] else 0),
        sets["p"] & low,
        sets["i"] & low,
        sets["p"] >> high,
        sets["i"] >> high,
    )


def capabilities_text(value: bytes) -> str:
    """What `parse_capabilities` parses back to `value`; as getcap(8) has it where all have the same flags.

    Raises Malformed for anything but revision 2, or 3 (whose root user of a namespace is left out).
    """
    try:
        magic, p_low, i_low, p_high, i_high = _STRUCT.unpack(value[: _STRUCT.size])
    except struct.error:
        magic = 0
    sizes = {_REVISION_2: _STRUCT.size, _REVISION_3: _STRUCT.size + 4}
    if len(value) != sizes.get(magic & _REVISION_MASK):
        raise Malformed("file capabilities", value.hex(), expected=f"the {_STRUCT.size} bytes of revision 2")
    permitted, inheritable = p_low | p_high << 32, i_low | i_high << 32
    clauses: dict[str, list[str]] = {}
    for bit in range(64):
        flags = ("i" if inheritable >> bit & 1 else "") + ("p" if permitted >> bit & 1 else "")
        if flags:
            flags = "e" + flags if magic & _EFFECTIVE else flags
            clauses.setdefault(flags, []).append(_NAMES[bit] if bit < len(_NAMES) else str(bit))
    return " ".join(f"{','.join(names)}={flags}" for flags, names in clauses.items())


def _mask(names: str, actions: str, text: str) -> int:
    if names in ("", "all"):
        if not names and not actions.startswith("="):  # "+ep" alone is an error for libcap too
            raise Malformed("capabilities", text, expected=_FORM)
        return _ALL
    mask = 0
    for name in names.split(","):
        if name.isdecimal() and len(name) < 3 and int(name) < 64:
            mask |= 1 << int(name)
        elif name in _NAMES:
            mask |= 1 << _NAMES.index(name)
        else:
            meant = name if name.startswith("cap_") else f"cap_{name}"
            near = [known for known in _NAMES if known.startswith(meant)] or get_close_matches(meant, _NAMES, 1)
            hint = f"a capability of Linux, perhaps {near[0]}" if near else "a capability of Linux; see capabilities(7)"
            raise Malformed("capability", name, expected=hint)
    return mask
