"""krust image: from executables that something else built to an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from krust.cargo import elf
from krust.cargo.git import Git
from krust.cargo.metadata import BinaryTarget, Executable, Package, Project
from krust.cargo.targets import TARGETS, target_of
from krust.commands.deliver import Order, deliver, order_options
from krust.commands.options import settings_options
from krust.config.resolve import ImageSettings, resolve, user_config_path
from krust.errors import BinaryError, SettingError
from krust.image.plan import Plan
from krust.settings import Settings
from plumbing.commands.network import Network, network_options
from plumbing.commands.options import store_option
from plumbing.errors import Malformed, shown, system_words
from plumbing.oci.platform import Platform
from plumbing.store import Store

if TYPE_CHECKING:
    from krust.cargo.compile import Binary


def plan(settings: Settings, paths: Sequence[Path], flags: Mapping[str, object], *, allow_dynamic: bool) -> Plan:
    """The image of the executables at `paths`, each for a platform of its own; called as the first.

    Raises BinaryError for what is no executable for its platform, SettingError where platforms and paths do not fit.
    """
    asked = flags["platforms"]
    first = _executable(paths[0])
    image = _settings(settings, first, {**flags, "platforms": asked or ("all",)})
    platforms = tuple(_platform(path) for path in paths) if image.platforms == "all" else image.platforms
    if len(platforms) != len(paths) or len(set(platforms)) != len(platforms):
        there = ", ".join(map(str, platforms))
        raise SettingError(
            f"cannot make one image of {len(paths)} executables for {there}: expected a platform for each"
        )
    for path, platform in zip(paths, platforms, strict=True):
        elf.check(path, target_of(platform), allow_dynamic=allow_dynamic)
    return Plan(settings=image, platforms=platforms, files=())


def hand_over(paths: Sequence[Path]) -> Callable[[Sequence[Plan], Callable[[Binary], None]], None]:
    """In the place of a compiler: each of `paths` is there already."""

    def compile(plans: Sequence[Plan], finished: Callable[[Binary], None]) -> None:
        from krust.cargo.compile import Binary

        for one in plans:
            target = one.executable
            for path, platform in zip(paths, one.platforms, strict=True):
                finished(Binary(path=path, name=target.name, kind="bin", package=target.package, platform=platform))

    return compile


def _executable(path: Path) -> BinaryTarget:
    """What stands for a package: nothing is known of the one that it came from."""
    itself = Executable(kind="bin", name=path.name)
    package = Package(id="", name=path.name, version="", manifest_path=path.absolute(), executables=(itself,))
    return BinaryTarget(package=package, kind="bin", name=path.name)


def _settings(settings: Settings, target: BinaryTarget, flags: Mapping[str, object]) -> ImageSettings:
    folder = target.package.manifest_path.parent
    project = Project(
        directory=folder, root=folder, target_directory=folder, packages=(target.package,), default_members=()
    )
    git = Git(folder, settings.env)
    return resolve(project, target, flags=flags, env=settings.env, user_config=user_config_path(settings.env), git=git)


def _platform(path: Path) -> Platform:
    """The platform that the executable at `path` is for. Raises BinaryError where it is none, or may be several."""
    try:
        with path.open("rb") as file:
            found = elf.parse(file)
    except OSError as error:
        raise BinaryError(f"cannot read '{shown(path)}': {system_words(error)}; build it first") from error
    except Malformed as error:
        raise BinaryError(f"cannot use '{shown(path)}': {error}; an image needs an ELF executable") from error
    facts = (found.machine, found.bits, found.order)
    fitting = [target.platform for target in TARGETS if (target.machine, target.bits, target.order) == facts]
    match fitting:
        case [platform]:
            return platform
        case []:
            raise BinaryError(f"cannot use '{shown(path)}': it is for machine {found.machine}, which no platform has")
    choices = " or ".join(map(str, fitting))
    raise BinaryError(f"cannot tell the platform of '{shown(path)}': it may be {choices}; name it with '--platform'")


@click.command("image")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@settings_options
@click.option("--allow-dynamic", is_flag=True, help="Take a program that needs a loader; the base has to have it.")
@order_options
@store_option
@network_options
@click.pass_obj
def command(
    settings: Settings,
    paths: tuple[Path, ...],
    flags: Mapping[str, object],
    allow_dynamic: bool,
    order: Order,
    store: Store,
    network: Network,
) -> None:
    """Push an image of the executable at PATH, that something else built, and print its reference by digest.

    The checks, the layers and the config are those of 'krust build'. Several PATHs, each for another platform, give an
    index of them; the platform is what the executable says, or what --platform says, in the same order.
    """
    order.check(flags)
    one = plan(settings, paths, flags, allow_dynamic=allow_dynamic)
    git = Git(one.executable.package.directory, settings.env)
    deliver(order, store, [one], hand_over(paths), network, created=order.created(settings, git))
