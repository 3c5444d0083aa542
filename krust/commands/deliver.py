"""deliver: what becomes of images, whatever made their executables: the options of `build` and `image`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from krust.commands.options import taking
from krust.errors import SettingError
from krust.settings import Settings
from plumbing.commands.network import Network, jobs_option
from plumbing.commands.written import check_file, check_folder, write_whole
from plumbing.store import Store

if TYPE_CHECKING:
    from krust.cargo.git import Git
    from krust.image.make import Compile, Made
    from krust.image.plan import Plan

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done with images, and what is to be said of them; see `order_options`."""

    offline: bool
    source_date_epoch: str | None
    no_tag: bool
    no_push: bool
    output: Path | None
    image_refs: Path | None
    trace: Path | None
    as_json: bool
    jobs: int

    def check(self, flags: Mapping[str, object]) -> None:
        """Raises UsageError for options that contradict each other, PlumbingError for what cannot be written."""
        if flags["image"] and (flags["repo"] or flags["name"]):
            raise click.UsageError("--image takes the place of --repo and --name: give it alone")
        if self.no_tag and (flags["tags"] or ":" in str(flags["image"]).rpartition("/")[2]):
            raise click.UsageError("--no-tag goes with no tag: not --tag, nor one in --image")
        for path in (self.trace, self.image_refs):
            if path is not None:
                check_file(path)
        if self.output is not None:
            from krust.image.export import check_target

            check_folder(self.output)
            check_target(self.output)

    def created(self, settings: Settings, git: Git) -> int:
        """Seconds since 1970-01-01 UTC, for every time in the images: as given, else of SOURCE_DATE_EPOCH, else 0."""
        if self.source_date_epoch is None:
            return settings.created
        if self.source_date_epoch == "git":
            return git.time
        return settings.epoch(self.source_date_epoch, "--source-date-epoch")


_PATH = click.Path(path_type=Path)
_OPTIONS: Mapping[str, Callable[[Any], Any]] = {
    "offline": click.option("--offline", is_flag=True, help="Ask no registry for the base: use what the store has."),
    "source_date_epoch": click.option(
        "--source-date-epoch",
        metavar="SECONDS|git",
        help="Every time in the image: seconds since 1970, or of the commit; default: SOURCE_DATE_EPOCH, else 0.",
    ),
    "no_tag": click.option("--no-tag", is_flag=True, help="Push by digest alone."),
    "no_push": click.option("--no-push", is_flag=True, help="Write the image into the store, and push nothing."),
    "output": click.option(
        "-o",
        "--output",
        metavar="DIR|FILE.tar",
        type=_PATH,
        help="Also write a layout, or an archive of one, with just this image.",
    ),
    "image_refs": click.option("--image-refs", metavar="FILE", type=_PATH, help="Write the references to FILE, too."),
    "trace": click.option(
        "--trace", metavar="FILE", type=_PATH, help="Write the plumbing commands that make the image."
    ),
    "as_json": click.option("--json", "as_json", is_flag=True, help="Print a full account instead of the reference."),
    "jobs": jobs_option,
}
"""By the field of Order that each is, in the order of the help."""


def order_options(function: F) -> F:
    """`order: Order`."""
    return _taking_order(function, _OPTIONS)


def errand_options(function: F) -> F:
    """`order: Order`, of a command whose output is not the images' references."""
    others = {"as_json": False, "output": None}
    return _taking_order(function, {name: each for name, each in _OPTIONS.items() if name not in others}, **others)


def _taking_order(function: F, options: Mapping[str, Callable[[Any], Any]], **others: Any) -> F:
    def collected(*args: Any, **more: Any) -> Any:
        order = Order(**others, **{name: more.pop(name) for name in options})
        return function(*args, order=order, **more)

    return taking(function, collected, options.values())


def deliver(
    order: Order, store: Store, plans: Sequence[Plan], compile: Compile, network: Network, *, created: int
) -> list[Made]:
    """As `fulfil`, and print what `order` says."""
    made = fulfil(order, store, plans, compile, network, created=created)
    if order.as_json:
        from plumbing.oci import document

        accounts = [document.dump(account(store, one)).decode() for one in made]
        click.echo(accounts[0] if len(accounts) == 1 else f"[{','.join(accounts)}]")
    else:
        click.echo("\n".join(reference(store, one) for one in made))
    return made


def fulfil(
    order: Order, store: Store, plans: Sequence[Plan], compile: Compile, network: Network, *, created: int
) -> list[Made]:
    """Make the images of `plans`, and write the files that `order` names. Raises as `make`, and SettingError.

    An image that should be pushed and has no repository is an error before anything is compiled.
    """
    for plan in plans:
        if plan.settings.repository is None and not order.no_push:
            raise SettingError(
                f"cannot tell where to push '{plan.settings.name}': "
                "set KRUST_REPO, or give '--repo', such as ghcr.io/me; 'krust build --no-push' needs none"
            )
    from krust.image.make import make
    from krust.image.steps import Steps

    steps = Steps(store, tracing=order.trace is not None)
    made = make(
        steps,
        plans,
        compile,
        network,
        created=created,
        push=not order.no_push,
        tags=not order.no_tag,
        offline=order.offline,
        jobs=order.jobs,
    )
    if order.output is not None:
        from krust.image.export import export

        export(store, {name: one.root for one in made for name in one.refs}, order.output)
    if order.trace is not None:
        write_whole(order.trace, steps.script(), mode=0o755)
    if order.image_refs is not None:
        write_whole(order.image_refs, "".join(f"{reference(store, one)}\n" for one in made))
    return made


def reference(store: Store, made: Made) -> str:
    """What is printed: the image by digest, in its repository if it has one, else in the store."""
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
