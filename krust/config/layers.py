"""Layers: what each place says, the strongest last. Names and shapes are checked here, values later."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from krust.cargo.metadata import BinaryTarget, Package, Project
from krust.config.keys import BINS, TABLE, Key
from krust.config.origin import Origin, Rank, below
from krust.config.values import FIELDS
from krust.errors import SettingError
from plumbing.errors import Malformed, shown, system_words

Raw = str | list[str] | dict[str, str | None] | list[dict[str, str]] | None
"""A value before its placeholders. None, of a map or of a name in one: nothing that was said of it before counts."""

_METADATA = "metadata.krust"
_NUMBERS = "a number or a text"


class Said(NamedTuple):
    """One value, as it is said in one place."""

    raw: Raw
    origin: Origin


Layer = Mapping[str, Said]
"""What one place says, by the names of keys."""


def layers(
    project: Project,
    target: BinaryTarget,
    *,
    flags: Mapping[str, object],
    env: Mapping[str, str],
    user_config: Path,
) -> list[Layer]:
    """All that is said of `target`. Raises SettingError for an unknown key, and for a value of another type."""
    return [
        person(user_config),
        workspace(project),
        *package(target),
        variables(env),
        flagged(flags),
    ]


def person(path: Path) -> Layer:
    """The file of the person who builds, if there is one."""
    if not os.access(path, os.F_OK):  # also where the home is somebody else's, as in many a container
        return {}
    import tomllib

    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise SettingError(f"cannot read '{path}': {system_words(error)}; make it readable") from error
    except ValueError as error:  # no TOML, no UTF-8, or a number of thousands of digits
        raise SettingError(f"cannot read '{path}': it is no TOML: {error}") from error
    except RecursionError:
        raise SettingError(f"cannot read '{path}': it is nested too deep; no setting is") from None
    return _layer(Rank.PERSON, path, "", table)


def workspace(project: Project) -> Layer:
    table = project.metadata.get("krust", {})
    return _layer(Rank.WORKSPACE, project.root / "Cargo.toml", f"workspace.{_METADATA}", table)


def package(target: BinaryTarget) -> list[Layer]:
    """What the package says of all its images, then what it says of this one."""
    name, file = f"package.{_METADATA}", target.package.manifest_path
    table = target.package.metadata.get("krust", {})
    bins = table.get(BINS, {}) if isinstance(table, dict) else {}
    rest = {key: value for key, value in table.items() if key != BINS} if isinstance(table, dict) else table
    general = _layer(Rank.PACKAGE, file, name, rest)
    if target.kind != "bin":
        return [{key.name: general[key.name] for key in TABLE if key.name in general and not key.program}]
    origin = Origin(rank=Rank.BINARY, name=name, file=file, path=f"{name}.{BINS}")
    if not isinstance(bins, dict):
        raise origin.wrong("setting", bins, "a table with a table for each binary")
    known = _binaries(target.package)
    for each in bins:
        if each not in known:
            raise _unknown("binary", each, known, origin, below(each))
    special = {each: _layer(Rank.BINARY, file, f"{name}.{BINS}{below(each)}", said) for each, said in bins.items()}
    return [general, special.get(target.name, {})]


def default_binary(package: Package) -> str | None:
    """The binary that the package's `bin` names. Raises SettingError for one that it has not."""
    found = package.metadata.get("krust", {})
    name = found.get("bin") if isinstance(found, dict) else None
    if isinstance(name, str) and name not in (known := _binaries(package)):
        table = f"package.{_METADATA}"
        origin = Origin(rank=Rank.PACKAGE, name=table, file=package.manifest_path, path=f"{table}.bin")
        raise _unknown("binary", name, known, origin)
    return name if isinstance(name, str) else None


def variables(env: Mapping[str, str]) -> Layer:
    """What the environment says. An empty variable says nothing; commas part the texts of a list."""
    found = {}
    for key in TABLE:
        if key.variable and (text := env.get(key.variable)):
            found[key.name] = _of_shell(key, text, Origin(rank=Rank.ENVIRONMENT, name=key.variable))
    return found


def flagged(flags: Mapping[str, object]) -> Layer:
    """What the command line says, by the names of keys: texts, sequences of texts or of pairs, False for no table.

    None, and an empty sequence, is a flag that was not given.
    """
    keys = {key.name: key for key in TABLE}
    return {
        name: _of_shell(keys[name], value, Origin(rank=Rank.FLAG, name=keys[name].flag or name))
        for name, value in flags.items()
        if value not in (None, (), [], {})
    }


def _of_shell(key: Key[Any], value: object, origin: Origin) -> Said:
    """A value of a flag or variable: what is no text is one of ours, which its text parses back to."""
    if key.form == "text":
        value = str(value)
    elif key.form == "list":
        texts = [value] if isinstance(value, str) else [str(each) for each in _sequence(value)]
        # A list that may be one text has no commas in its texts.
        value = [part.strip() for text in texts for part in text.split(",")] if key.one else texts
    elif key.form == "map" and value is not False:
        value = {name: text if text is False else str(text) for name, text in dict(value).items()}  # type: ignore[call-overload]
    return Said(raw=_shaped(key, value, origin), origin=origin)


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else [value]


def _layer(rank: Rank, file: Path, table: str, value: object) -> Layer:
    if not isinstance(value, dict):
        raise Origin(rank=rank, name=table, file=file, path=table).wrong("setting", value, "a table")
    known = {key.name: key for key in TABLE} | {key.older: key for key in TABLE if key.older}
    found: dict[str, Said] = {}
    for name, each in value.items():
        path = f"{table}{below(name)}".removeprefix(".")
        origin = Origin(rank=rank, name=table, file=file, path=path)
        key = known.get(name)
        if key is None:
            names = [other.name for other in TABLE if rank in other.places]
            raise _unknown("setting", name, [*names, BINS] if rank is Rank.PACKAGE else names, origin)
        if rank not in key.places:
            raise SettingError(f"cannot use '{name}' {origin.place()}: it belongs {_belongs(key)}")
        if key.name in found:
            raise SettingError(f"cannot use '{name}' {origin.place()}: '{key.name}' and '{key.older}' are one setting")
        found[key.name] = Said(raw=_shaped(key, each, origin), origin=origin)
    return found


def _shaped(key: Key[Any], value: object, origin: Origin) -> Raw:
    """`value`, if it has the shape of `key`. Numbers are texts from here on."""
    match key.form:
        case "text":
            return _text(key, value, origin)
        case "list":
            texts = [value] if key.one and not isinstance(value, list | dict) else value
            if not isinstance(texts, list):
                raise origin.wrong(key.name, value, f"a list of texts: {key.example}")
            return [_text(key, each, origin, f"[{place}]") for place, each in enumerate(texts)]
        case "map":
            return None if value is False else dict(_entries(key, value, origin))
        case "files":
            if not isinstance(value, list):
                raise origin.wrong(key.name, value, f"a list of tables: {key.example}")
            return [_file(each, origin, f"[{place}]") for place, each in enumerate(value)]


def _text(key: Key[Any], value: object, origin: Origin, path: str = "") -> str:
    if isinstance(value, str):
        return value
    if key.numbers and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise origin.wrong(key.name, value, _NUMBERS if key.numbers else "a text, in quotes", path)


def _entries(key: Key[Any], value: object, origin: Origin) -> Iterator[tuple[str, str | None]]:
    if not isinstance(value, dict):
        raise origin.wrong(key.name, value, f"a table of texts, or false for none at all: {key.example}")
    for name, each in value.items():
        try:
            known = key.check(name)
        except Malformed as error:
            raise origin.placed(error) from None
        if each is not False and not isinstance(each, str):
            raise origin.wrong(key.name, each, "a text in quotes, or false for none", below(name))
        yield known, None if each is False else each


def _file(value: object, origin: Origin, path: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise origin.wrong("entry of files", value, "a table, such as { src = 'app.toml', dest = '/etc/' }", path)
    for name, each in value.items():
        if name not in FIELDS:
            raise _unknown("field", name, list(FIELDS), origin, f"{path}{below(name)}")
        if not isinstance(each, str):
            raise origin.wrong(name, each, "a text, in quotes", f"{path}.{name}")
    if "dest" not in value:
        raise origin.wrong("entry of files", value, "a 'dest': where it comes to be", path)
    return dict(value)


def _binaries(package: Package) -> list[str]:
    return [each.name for each in package.executables if each.kind == "bin"]


def _unknown(what: str, name: str, known: Sequence[str], origin: Origin, path: str = "") -> SettingError:
    from difflib import get_close_matches

    near = get_close_matches(name.lower().replace("_", "-"), known, 1, cutoff=0.5)
    then = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
    return SettingError(f"unknown {what} '{shown(name)}' {origin.place(path)}: {then}")


def _belongs(key: Key[Any]) -> str:
    tables = {
        Rank.WORKSPACE: f"[workspace.{_METADATA}]",
        Rank.PACKAGE: f"[package.{_METADATA}]",
        Rank.BINARY: f"[package.{_METADATA}.{BINS}.NAME]",
    }
    return "into " + " or ".join(name for rank, name in tables.items() if rank in key.places)
