"""Which refs of the store are the tags and manifests of a repository.

What was pushed to `team/app:v1`, and what was built under that name, is the ref `team/app:v1`. What was pushed by
digest is the ref `team/app@sha256:…`, so that gc keeps it. What was fetched has its host before it: such a ref is a tag
of the repository without the host too, unless two hosts mean different images by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from plumbing.errors import Malformed, NotFound, RefConflict
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.reference import Reference, check_repository, check_tag
from plumbing.store import Store


@dataclass(frozen=True, slots=True)
class Tag:
    """What a tag stands for, and the refs that say so."""

    descriptor: Descriptor
    refs: tuple[str, ...]


@dataclass(slots=True)
class Repository:
    """The `tags`, by name, and the refs of manifests that were pushed by digest."""

    tags: dict[str, Tag] = field(default_factory=dict)
    digests: dict[Digest, str] = field(default_factory=dict)


def ref_of(repository: str, reference: str | Digest) -> str:
    """The ref that a push writes."""
    return f"{repository}@{reference}" if isinstance(reference, Digest) else f"{repository}:{reference}"


def find(store: Store, repository: str, tag: str) -> Tag | None:
    """The tag, or None. The repository's own ref is asked first, and without reading all the others."""
    name = ref_of(repository, tag)
    if (descriptor := store.refs.get(name)) is not None:
        return Tag(descriptor, (name,))
    found = read(store, repository)
    return None if found is None else found.tags.get(tag)


def read(store: Store, repository: str) -> Repository | None:
    """All that the store has of a repository, or None where that is nothing."""
    own = Repository()
    fetched: dict[str, list[Tag]] = {}
    for ref in store.refs:
        if ref.name is None:
            continue
        if (reference := _own(ref.name, repository)) is not None:
            if isinstance(reference, Digest):
                own.digests[reference] = ref.name
            else:
                own.tags[reference] = Tag(ref.descriptor, (ref.name,))
        elif (tag := _fetched(ref.name, repository)) is not None:
            fetched.setdefault(tag, []).append(Tag(ref.descriptor, (ref.name,)))
    for name, tags in fetched.items():
        if name not in own.tags and len({tag.descriptor.digest for tag in tags}) == 1:
            own.tags[name] = Tag(tags[0].descriptor, tuple(ref for tag in tags for ref in tag.refs))
    return own if own.tags or own.digests else None


def repositories(store: Store) -> set[str]:
    """The names under which something can be listed; a fetched image by its name without the host."""
    return {name for ref in store.refs if ref.name is not None for name in _repository(ref.name)}


def forget(store: Store, refs: Iterable[str], digest: Digest) -> int:
    """Delete those of `refs` that still mean `digest`; return how many did."""
    count = 0
    for ref in refs:
        try:
            store.delete_ref(ref, expected=digest)
        except (NotFound, RefConflict):
            continue  # another was here first, and what it made of the ref is not ours to delete
        count += 1
    return count


def _own(ref: str, repository: str) -> str | Digest | None:
    """The tag or digest that `ref` is in `repository`, whose own it is."""
    rest = ref.removeprefix(repository)
    try:
        if rest != ref and rest.startswith(":"):
            return check_tag(rest[1:])
        if rest != ref and rest.startswith("@"):
            return Digest.parse(rest[1:])
    except Malformed:
        return None
    return None


def _fetched(ref: str, repository: str) -> str | None:
    """The tag that `ref`, a full reference, is in `repository`."""
    reference = _full(ref)
    return reference.tag if reference is not None and reference.repository == repository else None


def _full(ref: str) -> Reference | None:
    try:
        reference = Reference.parse(ref)
    except Malformed:
        return None
    # `app:v1` parses as docker.io/library/app:v1, which was not said and is not meant here
    return reference if ref.startswith(f"{reference.registry}/") else None


def _repository(ref: str) -> Iterator[str]:
    if (full := _full(ref)) is not None:
        yield full.repository
        return
    name, separator, _ = ref.partition("@") if "@" in ref else ref.rpartition(":")
    if separator:
        try:
            yield check_repository(name)
        except Malformed:
            return
