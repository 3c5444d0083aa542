"""Hints: from what is known of a blob before it is made to the blob, so that what was made once is not made again.

`hints/KIND/KEY` is a symbolic link to a blob. KIND and KEY say all that the blob's bytes depend on; whoever leaves the
hint says how. As the attributes on blobs they are no promises: a dangling one is no harm, gc clears it away, and who
follows one makes sure of what is there. docs/decisions/0001-hints.md
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from plumbing.errors import Malformed
from plumbing.oci.digest import Digest
from plumbing.store import facts
from plumbing.store.blobs import Blobs, freshen

FOLDER = "hints"


def any_of(blobs: Blobs, kind: str) -> bool:
    """Whether a hint of `kind` was left, and not yet cleared away."""
    return (blobs.root / FOLDER / _name(kind)).is_dir()


def leave(blobs: Blobs, kind: str, key: str, digest: Digest) -> None:
    """Remember that `digest` is what `kind` and `key` say. Where that cannot be, nothing is kept."""
    link = _link(blobs.root, kind, key)
    with suppress(OSError):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(blobs.path(digest), link.parent))


def follow(blobs: Blobs, kind: str, key: str) -> Digest | None:
    """The blob that was left under `kind` and `key`, if its file is as it was written; it is young for gc then."""
    try:
        target = Path(os.readlink(_link(blobs.root, kind, key)))
        digest = Digest(target.parent.name, target.name)
        path = blobs.path(digest)
        if facts.noted(path, facts.VERIFIED) != facts.verified_as(path.lstat()):
            return None  # changed since, by whoever
    except (OSError, Malformed):
        return None
    freshen(path)
    return digest


def prune(blobs: Blobs) -> None:
    """Clear away the hints whose blob is gone."""
    for link in (blobs.root / FOLDER).glob("*/*"):
        with suppress(OSError):
            if not link.exists():
                link.unlink()
                link.parent.rmdir()  # refused by the system as long as it holds another


def _link(root: Path, kind: str, key: str) -> Path:
    return root / FOLDER / _name(kind) / _name(key)


def _name(text: str) -> str:
    return text.replace("/", "_").replace(":", "-")
