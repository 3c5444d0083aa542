"""krust resolve: images in the place of the references in YAML."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from krust.commands.deliver import Order, errand_options
from krust.commands.lock import LockFile, lock_text
from krust.commands.options import CargoCommand, passed, shared_settings_options, taking
from krust.commands.texts import Asked, Referring, images_of, referring, results, text_options
from krust.commands.workspaces import Workspaces
from krust.kube.files import is_file
from krust.kube.join import join
from krust.kube.rewrite import Edited, rewrite
from krust.kube.spool import Spool
from krust.kube.text import Text
from krust.settings import Settings
from plumbing.commands.network import Network, network_options
from plumbing.commands.options import store_option
from plumbing.commands.written import check_file, write_whole
from plumbing.errors import PlumbingError
from plumbing.store import Store

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """How the images come about: built, and written down in `lock`; or taken from `locked`."""

    flags: Mapping[str, object]
    order: Order
    store: Store
    lock: Path | None
    locked: Path | None

    def check(self, cargo_args: Sequence[str]) -> None:
        """Raises UsageError for options that contradict each other, SettingError for a place that cannot be written."""
        self.order.check(self.flags)
        if self.locked is not None and (self.lock is not None or cargo_args or any(self.flags.values())):
            raise click.UsageError("--locked builds nothing: give it without --lock, and without what is for building")
        if self.lock is not None:
            check_file(self.lock)


def resolve_options(function: F) -> F:
    """`asked: Asked`, `errand: Errand` and `network: Network`."""

    def collected(
        *args: Any,
        flags: Mapping[str, object],
        order: Order,
        store: Store,
        lock: Path | None,
        locked: Path | None,
        **more: Any,
    ) -> Any:
        errand = Errand(flags=flags, order=order, store=store, lock=lock, locked=locked)
        return function(*args, errand=errand, **more)

    path = click.Path(path_type=Path)
    options = (
        text_options,
        click.option("--lock", metavar="FILE", type=path, help="Write the images to FILE, too."),
        click.option("--locked", metavar="FILE", type=path, help="Take the images of FILE, and build nothing."),
        shared_settings_options,
        errand_options,
        store_option,
        network_options,
    )
    return taking(function, collected, options)


def resolve(
    settings: Settings, asked: Asked, errand: Errand, network: Network, cargo_args: Sequence[str] = ()
) -> BinaryIO:
    """The texts with images in the place of references, as one, when all images are pushed, or found in the lock file.

    Gives a file, at its start. Raises what is wrong with any text, reference or package, as Faults if it is more than
    one thing, before anything is built; then what building and pushing raise.
    """
    out: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  (the caller's)
    join((after for _, _, after in _results(settings, asked, errand, network, cargo_args)), out)
    out.seek(0)
    return out


def resolve_in_place(
    settings: Settings, asked: Asked, errand: Errand, network: Network, cargo_args: Sequence[str] = ()
) -> None:
    """As `resolve`, and write the files, each with its references in comments: all of them, or none.

    An image that has its reference in a comment already is made again.
    """
    rewrite(
        Edited(path=text.source.path, before=before.encode(), after=after.encode())
        for text, before, after in _results(settings, asked, errand, network, cargo_args, in_place=True)
        if text.source.path is not None
    )


def _results(
    settings: Settings,
    asked: Asked,
    errand: Errand,
    network: Network,
    cargo_args: Sequence[str],
    *,
    in_place: bool = False,
) -> Iterator[tuple[Referring, Text, Text]]:
    """As `results` of the texts, once all of their images are pushed."""
    errand.check(cargo_args)
    faults: list[PlumbingError] = []
    spool = Spool()
    texts = referring(asked, network, spool, faults, in_place=in_place)
    if errand.locked is not None:
        images = images_of(texts, settings.here, LockFile(errand.locked), faults)
    else:
        workspaces = Workspaces(
            settings=settings,
            flags=errand.flags,
            cargo_args=cargo_args,
            order=errand.order,
            store=errand.store,
            network=network,
        )
        images = images_of(texts, settings.here, workspaces, faults)
    if errand.lock is not None and errand.locked is None:
        write_whole(errand.lock, lock_text(errand.lock, errand.store, workspaces.made, settings.env))
    return results(texts, spool, images)


@click.command("resolve", cls=CargoCommand)
@click.option(
    "-i", "--in-place", is_flag=True, help="Write the files, and keep each reference in a comment, to be found again."
)
@resolve_options
@click.pass_context
def command(ctx: click.Context, in_place: bool, asked: Asked, errand: Errand, network: Network) -> None:
    """Build what YAML refers to as krust://PACKAGE, push it, and print the YAML with the images by digest.

    PACKAGE is a directory, seen from here or from the file, or the name of a package of the workspace; '#NAME' after it
    names one of its binaries. All else stays as it is, byte for byte. Nothing is printed unless all is well.
    """
    if in_place:
        if asked.selector is not None or any(not is_file(word) for word in asked.files):
            raise click.UsageError("-i writes files: give it without -l, and no URL and no '-'")
        resolve_in_place(ctx.obj, asked, errand, network, passed(ctx))
        return
    with resolve(ctx.obj, asked, errand, network, passed(ctx)) as resolved:
        shutil.copyfileobj(resolved, sys.stdout.buffer)
