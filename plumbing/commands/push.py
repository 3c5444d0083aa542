"""push: copy an image to a registry."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbing.commands.network import Network, jobs_option, network_options
from plumbing.commands.options import Checked, store_option
from plumbing.commands.written import check_file, write_whole
from plumbing.errors import Ambiguous, Malformed, NotFound, PlumbingError
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.exchange import Progress, Source
from plumbing.oci.index import Index
from plumbing.oci.manifest import BASE_NAME, Manifest
from plumbing.oci.reference import Reference, check_tag
from plumbing.store import Store
from plumbing.store.names import DEFAULT_TAG, find
from plumbing.store.walk import reading, walk
from plumbing.sync import copy

if TYPE_CHECKING:
    from plumbing.registry import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What to push, and what it is called where it is: None for a root without a name."""

    store: Store
    root: Descriptor
    name: str | None


def push(
    network: Network,
    source: Source,
    root: Descriptor,
    target: Reference,
    tags: Sequence[str],
    *,
    jobs: int = 4,
    mounts: dict[Digest, str] | None = None,
) -> Reference:
    """Copy `root` to the repository of `target`, then point `tags` there to it; return it by digest. Safe to repeat.

    mounts  repositories on the same registry that have a blob, by its digest
    raises  what reading `source` does, RegistryError; no tag is changed before all that it needs is there
    """
    repository = send(network, source, root, target, jobs=jobs, mounts=mounts, progress=network.voice.progress())
    point(repository, source, root, tags)
    return target.at(root.digest)


def send(
    network: Network,
    source: Source,
    root: Descriptor,
    target: Reference,
    *,
    jobs: int = 4,
    mounts: dict[Digest, str] | None = None,
    progress: Progress | None = None,
) -> Repository:
    """The first half of `push`: copy `root` to the repository of `target`, where it has no name yet; return that."""
    repository = network.repository(target, push=True, mounts=mounts)
    copy(source, repository, root, jobs=jobs, progress=progress)
    return repository


def base_mounts(store: Store, root: Descriptor, target: Reference) -> dict[Digest, str]:
    """By layer, the repository of its image's base, if `target` is on that registry: it may have the layer.

    The manifest may be a stranger's: only layers that are whole in `store` count, or whoever knows no more than the
    digest of one could have it mounted where they may read it. What is wrong with the image is left for `push` to say.
    image-spec 1.1, annotations.md, org.opencontainers.image.base.name.
    """
    named: dict[Descriptor, str] = {}
    node = reading(store, root)

    def noting(descriptor: Descriptor) -> Manifest | Index:
        parsed = node(descriptor)
        name = parsed.annotations.get(BASE_NAME)
        if name is not None and isinstance(parsed, Manifest):
            with suppress(Malformed):  # another tool's words
                base = Reference.parse(name)
                if base.registry == target.registry and base.repository != target.repository:
                    named.update(dict.fromkeys(parsed.layers, base.repository))
        return parsed

    with suppress(PlumbingError):
        for _ in walk(root, noting):
            pass
    return {layer.digest: base for layer, base in named.items() if store.blobs.is_right(layer.digest, layer.size)}


def point(repository: Repository, source: Source, root: Descriptor, tags: Sequence[str]) -> None:
    """The second half: make `tags` of `repository` mean `root`, which is there."""
    raw = source.read(root)
    for tag in tags:
        repository.tag(tag, root, raw)


def images(store: Store, name: str, *, every: bool) -> list[Image]:
    """The image that `name` means, or, with `every`, each named root of the layout that it means.

    Raises NotFound, Ambiguous with the roots where a layout has several.
    """
    if every:
        layout = Store.open(Path(name)) if Store.is_layout(Path(name)) else store
        return [Image(store=layout, root=ref.descriptor, name=ref.name) for ref in layout.refs if ref.name]
    try:
        found = find(name, store)
    except Ambiguous as error:
        raise Ambiguous(name, error.candidates, then="name one, or give '--all-tags'") from None
    return [Image(store=found.store, root=found.descriptor, name=found.ref)]


def split(name: str | None) -> tuple[str | None, str | None]:
    """(repository, tag) of a ref's name, without a host: hello:v1 is both, v1 alone, as other tools write it, a tag."""
    if name is None:
        return None, None
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return None, name if "/" not in name else None
    host, slash, rest = repository.partition("/")
    return (rest if slash and ("." in host or ":" in host) else repository), tag


@click.command("push")
@click.argument("src")
@click.argument("targets", metavar="[DST]...", nargs=-1)
@click.option(
    "-t", "--tag", "tags", type=Checked(check_tag, "TAG"), multiple=True, help="A tag, besides that of DST; repeatable."
)
@click.option("--no-tag", is_flag=True, help="Push by digest alone.")
@click.option("--all-tags", is_flag=True, help="Push every named root of the layout SRC, each as its own tag.")
@click.option(
    "--repo",
    metavar="HOST/PREFIX",
    envvar="KRUST_REPO",
    show_envvar=True,
    help="Where the image goes, under its own name, if there is no DST.",
)
@click.option(
    "--image-refs", metavar="FILE", type=click.Path(path_type=Path), help="Write what is printed to FILE, too."
)
@jobs_option
@store_option
@network_options
def command(
    src: str,
    targets: tuple[str, ...],
    tags: tuple[str, ...],
    no_tag: bool,
    all_tags: bool,
    repo: str | None,
    image_refs: Path | None,
    jobs: int,
    store: Store,
    network: Network,
) -> None:
    """Copy the image SRC to each DST, host/repository[:tag], and print its reference there by digest.

    SRC is a name in the store, a layout's folder with :ref or @digest, or a .tar archive of a layout or of docker.
    """
    references = [Reference.parse(target) for target in targets]
    tagged = next((str(reference) for reference in references if reference.tag), None)
    if no_tag and (tags or all_tags or tagged):
        raise click.UsageError(f"--no-tag goes with no tag: not {tagged or '--tag or --all-tags'}")
    if all_tags and (tags or tagged):
        raise click.UsageError(f"--all-tags keeps the tags of SRC: not {tagged or '--tag'}")
    if image_refs is not None:
        check_file(image_refs)
    printed: dict[str, None] = {}
    with ExitStack() as at_end:
        if Path(src).suffix == ".tar" and Path(src).is_file():
            from tempfile import TemporaryDirectory  # here, both: a build imports this module, and pushes no archive

            from plumbing.archive import read_archive

            store = read_archive(Path(src), Path(at_end.enter_context(TemporaryDirectory(prefix="krust-"))))
            src = str(store.path)
        for image in images(store, src, every=all_tags):
            for target, own in _targets(image, references, repo, src):
                wanted = () if no_tag else (own, *tags) if own else tags
                mounts = base_mounts(image.store, image.root, target)
                reference = push(
                    network, image.store, image.root, target, tuple(dict.fromkeys(wanted)), jobs=jobs, mounts=mounts
                )
                if str(reference) not in printed:
                    click.echo(str(reference))
                    printed[str(reference)] = None
    if image_refs is not None:
        write_whole(image_refs, "".join(f"{line}\n" for line in printed))


def _targets(
    image: Image, references: Sequence[Reference], repo: str | None, src: str
) -> list[tuple[Reference, str | None]]:
    """Where `image` goes, and the tag it has there: that of DST, else its own, else latest."""
    name, tag = split(image.name)
    tag = tag or DEFAULT_TAG
    if references:
        return [(reference, reference.tag or (None if reference.digest else tag)) for reference in references]
    if repo is None or name is None:
        missing = "it has no name of its own" if repo else "no repository is set"
        raise NotFound(f"cannot tell where to push '{src}': {missing}; name a DST, or give '--repo' and a named image")
    return [(Reference.parse(f"{repo.rstrip('/')}/{name}"), tag)]
