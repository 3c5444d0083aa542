"""below: which directories the layers of a base have, so that those on top need not bring them, and change them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from plumbing.commands.ls_layer import ls_layer
from plumbing.layer.entries import parents
from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from plumbing.store.names import Found

_OPAQUE = ".wh..wh..opq"
_ROOT = "user.krust.root"


def directories(store: Store, layers: Sequence[Descriptor], paths: Iterable[str]) -> tuple[str, ...]:
    """Those of `paths` that `layers` have at the end as a directory, or as a link, which may lead to one.

    The uppermost layer that has a path, or takes it away, decides. image-spec 1.1, layer.md, "Whiteouts".
    """
    undecided = set(paths)
    present: set[str] = set()
    for layer in reversed(layers):
        root = _root(store, layer)
        touched = {path for path in undecided if _touches(root, path.partition("/")[0])}
        deeper = any("/" in path for path in touched)
        names = _names(store, layer) if deeper else root
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


def _names(store: Store, layer: Descriptor) -> dict[str, bool]:
    """Every path in `layer`, and whether something can be below it."""
    names: dict[str, bool] = {}
    for member in ls_layer(Found(store, layer)):
        names[member.path] = member.kind in ("directory", "symlink")
        for parent in parents(member.path):
            names[parent] = True
    return names


def _root(store: Store, layer: Descriptor) -> dict[str, bool]:
    """As `_names`, of what is right below the root.

    Noted on the blob, as d for what can have something below and - for all else before the name: to find them, all of
    the layer must be read.
    """
    noted = store.fact(layer.digest, _ROOT)
    if noted is None:
        names = {path: open_ for path, open_ in _names(store, layer).items() if "/" not in path}
        noted = "/".join(f"{'d' if open_ else '-'}{name}" for name, open_ in sorted(names.items()))
        store.note(layer.digest, _ROOT, noted)
    return {entry[1:]: entry[0] == "d" for entry in noted.split("/") if entry}
