"""The plumbing commands, one a file: `write-index` is write_index.py. Scripts may rely on what they take and print."""

from __future__ import annotations

from types import MappingProxyType

TABLE = MappingProxyType(
    {
        "write": (
            "hash-blob",
            "write-layer",
            "write-config",
            "write-manifest",
            "write-index",
            "update-ref",
            "delete-ref",
        ),
        "read": (
            "cat-blob",
            "cat-config",
            "cat-manifest",
            "ls-tree",
            "ls-layer",
            "ls-refs",
            "rev-parse",
            "verify",
        ),
        "move": (
            "fetch",
            "push",
            "copy",
            "ls-remote",
        ),
        "keep": ("gc",),
    }
)
"""What there is, by kind: design, section 5."""

NAMES = tuple(name for kind in TABLE.values() for name in kind)
