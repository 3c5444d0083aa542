"""below: which directories the layers of a base have, so that those on top need not bring them, and change them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from plumbing.commands.ls_layer import ls_layer
from plumbing.layer.entries import parents
from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from plumbing.store.names import Found

_OPAQUE = ".wh..wh..opq"
_ROOT = "user.krust.root"
_MOST = 4096  # names
_LONGEST = 255  # characters of a name: Linux has none of more bytes


def directories(store: Store, layers: Sequence[Descriptor], paths: Iterable[str]) -> tuple[str, ...]:
    """Those of `paths` that `layers` have at the end as a directory, or as a link, which may lead to one.

    The uppermost layer that has a path, or takes it away, decides. image-spec 1.1, layer.md, "Whiteouts".
    """
    undecided = set(paths)
    present: set[str] = set()
    for layer in reversed(layers):
        root = _root(store, layer)
        touched = {path for path in undecided if root is None or _touches(root, path.partition("/")[0])}
        names = root
        if names is None or any("/" in path for path in touched):
            names = _among(_names(store, layer, max((path.count("/") + 1 for path in touched), default=1)), touched)
        for path in touched:
            if names.get(path):
                present.add(path)
            if path in names or _taken_away(names, path):
                undecided.discard(path)
    return tuple(sorted(present))


def _touches(names: Mapping[str, bool], name: str) -> bool:
    return name in names or f".wh.{name}" in names or _OPAQUE in names


def _taken_away(names: Mapping[str, bool], path: str) -> bool:
    """Whether a whiteout in `names` hides `path`, or a directory that leads to it, in the layers below."""
    for one in (path, *parents(path)):
        folder, slash, name = one.rpartition("/")
        if f"{folder}{slash}.wh.{name}" in names or f"{folder}{slash}{_OPAQUE}" in names:
            return True
    return False


def _names(store: Store, layer: Descriptor, depth: int) -> Iterator[tuple[str, bool]]:
    """The paths of at most `depth` parts in `layer`, and whether something can be below each. The last word counts.

    A base is someone else's: a path may have thousands of parts, and there may be millions of them.
    """
    for member in ls_layer(Found(store, layer)):
        parts = member.path.split("/", depth)
        if len(parts) <= depth:
            yield member.path, member.kind in ("directory", "symlink")
        for count in range(1, len(parts)):
            yield "/".join(parts[:count]), True


def _among(names: Iterable[tuple[str, bool]], paths: Iterable[str]) -> dict[str, bool]:
    """Those of `names` that say something of `paths`: themselves, and the whiteouts of what leads to them."""
    asked = set(paths)
    for path in paths:
        for one in (path, *parents(path)):
            folder, slash, name = one.rpartition("/")
            asked |= {f"{folder}{slash}.wh.{name}", f"{folder}{slash}{_OPAQUE}"}
    return {path: open_ for path, open_ in names if path in asked}


def _root(store: Store, layer: Descriptor) -> dict[str, bool] | None:
    """What is right below the root; None for more names than any image has there.

    Noted on the blob, as d for what can have something below and - for all else before the name: to find them, all of
    the layer must be read.
    """
    noted = store.fact(layer.digest, _ROOT)
    if noted is None:
        names: dict[str, bool] = {}
        for path, open_ in _names(store, layer, 1):
            names[path] = open_
            if len(names) > _MOST or len(path) > _LONGEST:
                return None
        noted = "/".join(f"{'d' if open_ else '-'}{name}" for name, open_ in sorted(names.items()))
        store.note(layer.digest, _ROOT, noted)
    return {entry[1:]: entry[0] == "d" for entry in noted.split("/") if entry}
