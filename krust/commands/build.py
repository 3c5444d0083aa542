"""krust build: from a cargo project to an image."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from krust.cargo import compile, metadata, toolchain
from krust.cargo.targets import host_platform
from krust.commands.options import CargoCommand, cargo_args
from krust.errors import ProjectError, SettingError
from krust.image import base as bases
from krust.image.assemble import Image, assemble, combine, image_name
from krust.image.steps import Steps
from krust.settings import Settings
from plumbing.commands.network import Network, jobs_option, network_options
from plumbing.commands.options import Checked, Parsed, compression_option, store_option
from plumbing.commands.push import push
from plumbing.errors import shown
from plumbing.layer.codec import Codec
from plumbing.oci import document
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.platform import Platform
from plumbing.oci.reference import Reference, check_repository, check_tag
from plumbing.store import Store
from plumbing.store.names import DEFAULT_TAG


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to build, and as what. None is the default of design, section 6."""

    directory: Path
    package: str | None = None
    binary: str | None = None
    example: str | None = None
    profile: str = "release"
    cargo_args: tuple[str, ...] = ()
    base: str = bases.STATIC
    offline: bool = False
    name: str | None = None
    tags: tuple[str, ...] = (DEFAULT_TAG,)
    compression: Codec = "gzip"
    jobs: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What was written: the root of the image, its name and tags in the store, and each platform's image.

    mounts  where layers of the bases are
    """

    name: str
    tags: tuple[str, ...]
    root: Descriptor
    images: tuple[Image, ...]
    mounts: Mapping[Digest, Reference] = field(default_factory=dict)

    @property
    def refs(self) -> list[str]:
        return [f"{self.name}:{tag}" for tag in self.tags]


def build(settings: Settings, steps: Steps, request: Request, network: Network) -> Built:
    """Compile what `request` names, write its image into the store, and name it there.

    Raises KrustError for what cannot be built, StoreError, RegistryError where a base has to be fetched; refs are
    changed last, so they name whole images only.
    """
    platforms = [host_platform()]
    chosen = {
        platform: bases.choose(steps, request.base, platform, network, offline=request.offline, jobs=request.jobs)
        for platform in platforms
    }
    binaries = compiled(settings, request, platforms)
    name = request.name or image_name(binaries[0])
    images = [
        assemble(steps, binary, chosen[binary.platform], created=settings.created, compression=request.compression)
        for binary in binaries
    ]
    mounts = {digest: where for base in chosen.values() for digest, where in base.mounts.items()}
    built = Built(name=name, tags=request.tags, root=combine(steps, images), images=tuple(images), mounts=mounts)
    steps.refs(built.refs, built.root)
    return built


def publish(network: Network, store: Store, built: Built, target: Reference, tags: Sequence[str], *, jobs: int) -> None:
    """Push what was built to the repository of `target`, the tags last."""
    mounts = {digest: where.repository for digest, where in built.mounts.items() if where.registry == target.registry}
    push(network, store, built.root, target, tags, jobs=jobs, mounts=mounts)


def compiled(settings: Settings, request: Request, platforms: Sequence[Platform]) -> list[compile.Binary]:
    """The one executable that `request` names, for each of `platforms`."""
    directory = request.directory
    if not directory.is_dir():
        what = "not a directory" if directory.exists() else "no such directory"
        raise ProjectError(f"cannot build '{shown(directory)}': {what}; name the one that holds a Cargo.toml")
    tools = toolchain.find(directory, env=settings.env, cache=settings.cache)
    project = metadata.load(tools, directory, env=settings.env, cargo_args=request.cargo_args)
    target = metadata.choose(
        project, directory, package=request.package, binary=request.binary, example=request.example
    )
    quiet = ("--quiet",) if settings.console.quiet else ()
    return compile.build(
        tools,
        project,
        [target],
        platforms,
        profile=request.profile,
        cargo_args=(*quiet, *request.cargo_args),
        env=settings.env,
        cache=settings.cache,
        say=settings.console.say,
    )


def target_of(repo: str | None, image: Reference | None, name: str) -> Reference | None:
    """The repository that an image called `name` is pushed to, if one is set."""
    if image is not None:
        return image
    return Reference.parse(f"{repo.rstrip('/')}/{name}") if repo is not None else None


def account(reference: str, store: Store, built: Built) -> dict[str, Any]:
    """The full account that --json prints."""
    return {
        "reference": reference,
        "name": built.name,
        "tags": list(built.tags),
        "store": str(store.path),
        **built.root.to_json(),
        "images": [
            {
                "platform": str(image.binary.platform),
                "binary": str(image.binary.path),
                "manifest": image.manifest.to_json(),
                "config": image.config.to_json(),
                "layers": [layer.to_json() for layer in image.layers],
            }
            for image in built.images
        ],
    }


def write_trace(path: Path, script: str) -> None:
    """Write the script, whole or not at all."""
    from plumbing.store.files import failing_as

    with failing_as("write", path), tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        written = Path(file.name)
        try:
            file.write(script)
            file.flush()
            written.chmod(0o755)
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)


@click.command("build", cls=CargoCommand)
@click.argument("directory", default=".", type=click.Path(path_type=Path))
@click.option("-p", "--package", metavar="NAME", help="The package, in a workspace of several.")
@click.option("--bin", "binary", metavar="NAME", help="The binary, in a package of several.")
@click.option("--example", metavar="NAME", help="An example instead of a binary.")
@click.option("--profile", default="release", show_default=True, metavar="NAME", help="The cargo profile.")
@click.option(
    "--base",
    default=bases.STATIC,
    show_default=True,
    metavar="IMAGE",
    help="What it is built on: static, scratch, any image.",
)
@click.option("--offline", is_flag=True, help="Ask no registry for the base: use what the store has.")
@click.option("--name", type=Checked(check_repository, "NAME"), help="The image's name; default: the package's.")
@click.option(
    "-t", "--tag", "tags", multiple=True, type=Checked(check_tag, "TAG"), help="A tag; repeatable; default: latest."
)
@click.option("--repo", metavar="HOST/PREFIX", help="Where images are pushed; default: KRUST_REPO.")
@click.option(
    "--image",
    metavar="HOST/NAME[:TAG]",
    type=Parsed(Reference.parse, "REFERENCE"),
    help="Where this image is pushed, in the place of --repo and --name.",
)
@click.option("--no-tag", is_flag=True, help="Push by digest alone.")
@click.option("--no-push", is_flag=True, help="Write the image into the store, and push nothing.")
@compression_option
@click.option(
    "-o",
    "--output",
    metavar="DIR|FILE.tar",
    type=click.Path(path_type=Path),
    help="Also write a layout, or an archive of one, with just this image.",
)
@click.option(
    "--trace", metavar="FILE", type=click.Path(path_type=Path), help="Write the plumbing commands that make the image."
)
@click.option("--json", "as_json", is_flag=True, help="Print a full account instead of the reference.")
@jobs_option
@store_option
@network_options
@click.pass_context
def command(
    ctx: click.Context,
    directory: Path,
    package: str | None,
    binary: str | None,
    example: str | None,
    profile: str,
    base: str,
    offline: bool,
    name: str | None,
    tags: tuple[str, ...],
    repo: str | None,
    image: Reference | None,
    no_tag: bool,
    no_push: bool,
    compression: Codec,
    output: Path | None,
    trace: Path | None,
    as_json: bool,
    jobs: int,
    store: Store,
    network: Network,
) -> None:
    """Compile the cargo project in DIRECTORY to a static binary, push an image of it, print its reference by digest.

    What follows '--' goes to cargo: 'krust build -- --features tls'.
    """
    settings: Settings = ctx.obj
    if binary is not None and example is not None:
        raise click.UsageError("expected either --bin or --example")
    if image is not None and (repo is not None or name is not None):
        raise click.UsageError("--image takes the place of --repo and --name: give it alone")
    if no_tag and tags:
        raise click.UsageError("expected either --tag or --no-tag")
    repo = repo or settings.repo
    if repo is not None:
        target_of(repo, None, "name")  # a wrong one is said before anything is compiled
    elif image is None and not no_push:
        raise SettingError("cannot tell where to push: set KRUST_REPO, or give '--repo', '--image' or '--no-push'")
    if image is not None:
        name = image.repository.rpartition("/")[2]
        tags = (*((image.tag,) if image.tag else ()), *tags)
    request = Request(
        directory=directory,
        package=package,
        binary=binary,
        example=example,
        profile=profile,
        cargo_args=cargo_args(ctx),
        base=base,
        offline=offline,
        name=name,
        tags=tuple(dict.fromkeys(tags)) or (DEFAULT_TAG,),
        compression=compression,
        jobs=jobs,
    )
    for path in (output, trace):
        if path is not None and not path.parent.is_dir():
            raise SettingError(f"cannot write '{path}': no such folder '{path.parent}'; make it first")
    if output is not None:
        from krust.image.export import check_target, export

        check_target(output)
    steps = Steps(store, tracing=trace is not None)
    built = build(settings, steps, request, network)
    if output is not None:
        export(store, built.root, built.refs, output)
    if trace is not None:
        write_trace(trace, steps.script())
    target = target_of(repo, image, built.name)
    line = str(target.at(built.root.digest)) if target else f"{store.path}@{built.root.digest}"
    if target is not None and not no_push:
        publish(network, store, built, target, () if no_tag else built.tags, jobs=jobs)
    click.echo(document.dump(account(line, store, built)).decode() if as_json else line)
