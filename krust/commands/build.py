"""krust build: from a cargo project to images."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from krust.cargo.selection import Selection
from krust.commands.options import CargoCommand, cargo_args, selection_options, settings_options
from krust.errors import SettingError
from krust.image.make import Made, make
from krust.image.plan import Plan, Workshop
from krust.image.steps import Steps
from krust.settings import Settings
from plumbing.commands.network import Network, jobs_option, network_options
from plumbing.commands.options import store_option
from plumbing.oci import document
from plumbing.store import Store


def check(plans: Sequence[Plan], *, push: bool) -> None:
    """Raises SettingError for an image that should be pushed and has no repository: before anything is compiled."""
    for plan in plans:
        if push and plan.settings.repository is None:
            raise SettingError(
                f"cannot tell where to push '{plan.settings.name}': "
                "set KRUST_REPO, or give '--repo', '--image' or '--no-push'"
            )


def reference(store: Store, made: Made) -> str:
    """What `build` prints: the image by digest, in its repository if it has one, else in the store."""
    target = made.plan.settings.repository
    return str(target.at(made.root.digest)) if target is not None else f"{store.path}@{made.root.digest}"


def account(store: Store, made: Made) -> dict[str, Any]:
    """The full account that --json prints."""
    return {
        "reference": reference(store, made),
        "name": made.plan.settings.name,
        "tags": list(made.plan.settings.tags),
        "store": str(store.path),
        **made.root.to_json(),
        "images": [
            {
                "platform": str(image.binary.platform),
                "binary": str(image.binary.path),
                "manifest": image.manifest.to_json(),
                "config": image.config.to_json(),
                "layers": [layer.to_json() for layer in image.layers],
            }
            for image in made.images
        ],
    }


def created(settings: Settings, given: str | None, workshop: Workshop) -> int:
    """Seconds since 1970-01-01 UTC, for every time in the images: as given, else of SOURCE_DATE_EPOCH, else 0.

    given   seconds, or `git` for the time of the commit that is checked out
    """
    if given is None:
        return settings.created
    return workshop.git.time if given == "git" else settings.epoch(given, "--source-date-epoch")


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file, whole or not at all."""
    from plumbing.store.files import failing_as

    with failing_as("write", path), tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        written = Path(file.name)
        try:
            file.write(text)
            file.flush()
            written.chmod(mode)
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)


@click.command("build", cls=CargoCommand)
@click.argument("directory", default=".", type=click.Path(path_type=Path))
@selection_options
@settings_options
@click.option("--offline", is_flag=True, help="Ask no registry for the base: use what the store has.")
@click.option("--allow-dynamic", is_flag=True, help="Take a program that needs a loader; the base has to have it.")
@click.option(
    "--source-date-epoch",
    metavar="SECONDS|git",
    help="Every time in the image: seconds since 1970, or of the commit; default: SOURCE_DATE_EPOCH, else 0.",
)
@click.option("--no-tag", is_flag=True, help="Push by digest alone.")
@click.option("--no-push", is_flag=True, help="Write the image into the store, and push nothing.")
@click.option(
    "-o",
    "--output",
    metavar="DIR|FILE.tar",
    type=click.Path(path_type=Path),
    help="Also write a layout, or an archive of one, with just this image.",
)
@click.option(
    "--image-refs", metavar="FILE", type=click.Path(path_type=Path), help="Write the references to FILE, too."
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
    selection: Selection,
    flags: Mapping[str, object],
    offline: bool,
    allow_dynamic: bool,
    source_date_epoch: str | None,
    no_tag: bool,
    no_push: bool,
    output: Path | None,
    image_refs: Path | None,
    trace: Path | None,
    as_json: bool,
    jobs: int,
    store: Store,
    network: Network,
) -> None:
    """Compile the cargo project in DIRECTORY to a static binary, push an image of it, print its reference by digest.

    What follows '--' goes to cargo: 'krust build -- --locked'. Several images give a line each, in the order asked.
    """
    settings: Settings = ctx.obj
    if flags["image"] and (flags["repo"] or flags["name"]):
        raise click.UsageError("--image takes the place of --repo and --name: give it alone")
    if no_tag and flags["tags"]:
        raise click.UsageError("expected either --tag or --no-tag")
    for path in (output, trace, image_refs):
        if path is not None and not path.parent.is_dir():
            raise SettingError(f"cannot write '{path}': no such folder '{path.parent}'; make it first")
    if output is not None:
        from krust.image.export import check_target

        check_target(output)
    workshop = Workshop.open(settings, directory, flags=flags, cargo_args=cargo_args(ctx), allow_dynamic=allow_dynamic)
    plans = workshop.plans(selection, network, store, offline=offline)
    check(plans, push=not no_push)
    steps = Steps(store, tracing=trace is not None)
    made = make(
        steps,
        plans,
        workshop.compile,
        network,
        created=created(settings, source_date_epoch, workshop),
        push=not no_push,
        tags=not no_tag,
        offline=offline,
        jobs=jobs,
    )
    if output is not None:
        from krust.image.export import export

        export(store, {name: one.root for one in made for name in one.refs}, output)
    if trace is not None:
        write_whole(trace, steps.script(), mode=0o755)
    lines = [reference(store, one) for one in made]
    if image_refs is not None:
        write_whole(image_refs, "".join(f"{line}\n" for line in lines))
    if as_json:
        accounts = [document.dump(account(store, one)).decode() for one in made]
        click.echo(accounts[0] if len(accounts) == 1 else f"[{','.join(accounts)}]")
    else:
        click.echo("\n".join(lines))
