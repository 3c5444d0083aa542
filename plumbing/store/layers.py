"""Which stored layer holds a given tar: so that what was compressed once is not compressed again.

`layers/CODEC/SIZE/sha256-HEX` is a symbolic link to the blob of the layer with that diff ID, whose files have SIZE
bytes in all. As the attributes on blobs, these links are hints: a dangling one is no harm, and gc clears it away. The
size comes first because it is known before anything is read: where no layer has it, the tar is new, and nothing need be
hashed to know that. docs/decisions/0001-layers-by-diff-id.md
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from plumbing.errors import Malformed
from plumbing.oci.digest import Digest
from plumbing.store import facts
from plumbing.store.blobs import Blobs, freshen

FOLDER = "layers"


def any_of(blobs: Blobs, codec: str, size: int) -> bool:
    """Whether some layer with files of `size` bytes was noted for `codec`."""
    return _folder(blobs.root, codec, size).is_dir()


def note(blobs: Blobs, diff_id: Digest, codec: str, size: int, digest: Digest) -> None:
    """Remember that `digest` is what `codec` makes of the tar of `diff_id`. Where that cannot be, nothing is kept."""
    link = _link(blobs.root, diff_id, codec, size)
    with suppress(OSError):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(blobs.path(digest), link.parent))


def noted(blobs: Blobs, diff_id: Digest, codec: str, size: int) -> Digest | None:
    """The layer of `diff_id` as `codec` compresses it, if it is stored and says so itself; it is young for gc then."""
    try:
        target = Path(os.readlink(_link(blobs.root, diff_id, codec, size)))
        digest = Digest(target.parent.name, target.name)
    except (OSError, Malformed):
        return None
    path = blobs.path(digest)
    with suppress(OSError):
        if facts.noted(path, facts.VERIFIED) != facts.verified_as(path.lstat()):
            return None  # changed since it was written, by whoever
    if facts.noted(path, facts.DIFF_ID) != str(diff_id):
        return None
    freshen(path)
    return digest


def prune(blobs: Blobs) -> None:
    """Clear away the links whose blob is gone."""
    for link in (blobs.root / FOLDER).glob("*/*/*"):
        with suppress(OSError):
            if not link.exists():
                link.unlink()
                link.parent.rmdir()  # refused by the system as long as it holds another


def _folder(root: Path, codec: str, size: int) -> Path:
    return root / FOLDER / codec.replace("/", "_") / str(size)


def _link(root: Path, diff_id: Digest, codec: str, size: int) -> Path:
    return _folder(root, codec, size) / f"{diff_id.algorithm}-{diff_id.hex}"
