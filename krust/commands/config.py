"""krust config: every setting of an image, and where it came from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from krust.cargo import metadata, toolchain
from krust.cargo.git import Git
from krust.config.origin import Origin
from krust.config.resolve import ImageSettings, Setting, resolve, user_config_path, with_default_binaries
from krust.settings import Settings
from plumbing.errors import shown
from plumbing.oci import document

_NOTHING = "-"
_GAP = "  "
_WIDEST = 60
"""Characters of a value, beyond which the column after it moves."""


def config(
    settings: Settings, directory: Path, *, package: str | None = None, binary: str | None = None
) -> ImageSettings:
    """What `krust build` would take for the image of the binary that is meant, if it were given no more flags.

    Raises KrustError, as it would.
    """
    metadata.find_manifest(directory)  # a wrong directory is said of by us, not by the compiler
    tools = toolchain.find(directory, env=settings.env, cache=settings.cache)
    project = with_default_binaries(metadata.load(tools, directory, env=settings.env))
    target = metadata.choose(project, directory, package=package, binary=binary)
    return resolve(
        project,
        target,
        flags={},
        env=settings.env,
        user_config=user_config_path(settings.env),
        git=Git(project.root, settings.env),
    )


def lines(settings: ImageSettings, here: Path) -> list[str]:
    """One for each setting, and for each name in a table: its name, its value, and where it came from; aligned."""
    rows = [row for setting in settings.settings for row in _rows(setting, here)]
    first = max(len(name) for name, _, _ in rows)
    second = min(_WIDEST, max(len(value) for _, value, _ in rows))
    return [f"{name:{first}}{_GAP}{value:{second}}{_GAP}{origin}" for name, value, origin in rows]


def account(settings: ImageSettings) -> dict[str, Any]:
    """By the names of keys, each with its `value`, null if there is none, and where that is `from`."""
    return {
        setting.key: {
            "value": setting.value,
            "from": {name: str(origin) for name, origin in setting.origin.items()}
            if isinstance(setting.origin, Mapping)
            else str(setting.origin),
        }
        for setting in settings.settings
    }


def _rows(setting: Setting, here: Path) -> Iterator[tuple[str, str, str]]:
    match setting.value, setting.origin:
        case Mapping() as texts, Mapping() as origins:
            for name, text in texts.items():
                yield f"{setting.key}.{name}", shown(text), _from(origins[name], here)
        case value, Origin() as origin:
            yield setting.key, _shown(value), _from(origin, here)


def _shown(value: object) -> str:
    """A text as it is, a list as TOML has it."""
    if value is None:
        return _NOTHING
    if isinstance(value, str):
        return shown(value)
    entries = value if isinstance(value, tuple) else ()
    return f"[{', '.join(_entry(each) for each in entries)}]"


def _entry(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{name} = {_entry(each)}' for name, each in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)


def _from(origin: Origin, here: Path) -> str:
    """With a path that is short from `here`."""
    text = str(origin)
    if origin.file is None:
        return text
    relative = os.path.relpath(origin.file, here)
    return text if relative.startswith("../..") else text.replace(str(origin.file), relative, 1)


@click.command("config")
@click.argument("directory", default=".", type=click.Path(path_type=Path))
@click.option("-p", "--package", metavar="NAME", help="The package, in a workspace of several.")
@click.option("--bin", "binary", metavar="NAME", help="The binary, in a package of several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with whole paths.")
@click.pass_obj
def command(settings: Settings, directory: Path, package: str | None, binary: str | None, as_json: bool) -> None:
    """Print every setting of the image that 'krust build' makes of DIRECTORY, its value, and where it came from.

    '-' is what nobody has said, and what has no default.
    """
    found = config(settings, directory, package=package, binary=binary)
    for note in found.notes:
        settings.console.say(note)
    click.echo(document.dump(account(found)).decode() if as_json else "\n".join(lines(found, settings.here)))
