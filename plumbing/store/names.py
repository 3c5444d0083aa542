"""Names: what a person may call a blob or image. design, section 5: paths, digests, abbreviations, refs, references."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from plumbing.errors import Ambiguous, Malformed, NotFound
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.store.store import Store

DEFAULT_TAG = "latest"
_ABBREVIATION = r"(?:sha256:)?([0-9a-f]{7,64})"


@dataclass(frozen=True, slots=True)
class Found:
    """What a name means: a descriptor, the store that holds it, and the ref that led there, if one did."""

    store: Store
    descriptor: Descriptor
    ref: str | None = None


def find(text: str, store: Store) -> Found:
    """What `text` means, looked up in this order: a layout's path, a digest, a ref, an abbreviation, a reference.

    Raises NotFound, Ambiguous with the candidates, or Malformed.
    """
    if (layout := _layout(text)) is not None:
        return layout
    return find_in(text, store)


def find_in(text: str, store: Store) -> Found:
    """What `text` means in `store` alone: a digest, a ref (`latest` understood), an abbreviation, a reference."""
    Store.open(store.path)
    if (digest := _digest(text)) is not None:
        return Found(store, _describe(store, digest))
    if (ref := store.refs.first(text, f"{text}:{DEFAULT_TAG}")) is not None:
        return Found(store, ref.descriptor, ref.name)
    if (abbreviation := re.fullmatch(_ABBREVIATION, text)) is not None:
        return Found(store, _describe(store, _expand(abbreviation[1], text, store)))
    return _reference(text, store)


def _layout(text: str) -> Found | None:
    """PATH, PATH@digest, PATH:ref, where PATH is a layout; the longest path wins."""
    if Store.is_layout(Path(text)):
        store = Store.open(Path(text))
        return _only_root(text, store)
    for separator in ("@", ":"):
        for match in reversed([*re.finditer(separator, text)]):
            path, rest = text[: match.start()], text[match.end() :]
            if path and Store.is_layout(Path(path)):
                store = Store.open(Path(path))
                return Found(store, _describe(store, Digest.parse(rest))) if separator == "@" else find_in(rest, store)
    return None


def _only_root(text: str, store: Store) -> Found:
    roots = {ref.descriptor.digest: ref for ref in store.refs}
    if len(roots) == 1:
        [ref] = roots.values()
        return Found(store, ref.descriptor, ref.name)
    if not roots:
        raise NotFound(f"cannot choose from '{text}': the layout has no refs; write one with 'krust update-ref'")
    candidates = [f"{text}:{ref.name}" if ref.name else f"{text}@{ref.descriptor.digest}" for ref in roots.values()]
    raise Ambiguous(text, sorted(map(str, candidates)), then="name one")


def _digest(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except Malformed:
        return None


def _expand(start: str, text: str, store: Store) -> Digest:
    candidates = [digest for digest in store.blobs if digest.hex.startswith(start) and digest.algorithm == "sha256"]
    if not candidates:
        raise NotFound.name(text, store.path)
    if len(candidates) > 1:
        raise Ambiguous(text, sorted(map(str, candidates)), then="write more of its digits")
    return candidates[0]


def _describe(store: Store, digest: Digest) -> Descriptor:
    """As a ref has it, if one does: that descriptor knows more than the bytes tell."""
    return store.refs.of(digest) or store.describe(digest)


def _reference(text: str, store: Store) -> Found:
    """host/repository@digest by its digest, host/repository:tag as a ref of what was fetched."""
    from plumbing.oci.reference import Reference  # here: it is the last thing that a name may be

    try:
        reference = Reference.parse(text)
    except Malformed:
        raise NotFound.name(text, store.path) from None
    if reference.digest is not None:
        return Found(store, _describe(store, reference.digest))
    full = str(reference.tagged(reference.tag or DEFAULT_TAG))
    if (descriptor := store.refs.get(full)) is not None:
        return Found(store, descriptor, full)
    raise NotFound.name(text, store.path)
