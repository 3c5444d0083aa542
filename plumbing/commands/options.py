"""Options and types that several commands share, so that each is written, named and explained once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from plumbing.errors import Malformed, SourceError
from plumbing.oci.descriptor import Descriptor
from plumbing.store.files import reason
from plumbing.store.store import FOLDER, Store, nearest

F = TypeVar("F", bound=Callable[..., Any])


class Parsed(click.ParamType[Any]):
    """What `parse` makes of the text, or for which it raises Malformed: Platform.parse, Reference.parse."""

    def __init__(self, parse: Callable[[str], object], name: str) -> None:
        self.parse = parse
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value)
        except Malformed as error:
            self.fail(str(error), param, ctx)


class Checked(click.ParamType[str]):
    """Text that `check` returns as it is, or for which it raises Malformed: a tag, a repository."""

    def __init__(self, check: Callable[[str], str], name: str) -> None:
        self.check = check
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return self.check(value)
        except Malformed as error:
            self.fail(str(error), param, ctx)


class Pair(click.ParamType[tuple[str, str]]):
    """KEY=VALUE, as a tuple of two."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not equals or not key:
            self.fail(f"malformed pair '{value}': expected {self.name}", param, ctx)
        return key, text


class Whole(click.IntRange):
    """A whole number within bounds. click calls it "integer range", as if two were wanted."""

    name = "number"


class Real(click.FloatRange):
    """A number within bounds, such as of seconds; see `Whole`."""

    name = "number"


class Octal(click.ParamType[int]):
    """Permission bits as chmod takes them: 755, 0644, 1777."""

    name = "MODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            mode = int(value, 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= 0o7777:
            self.fail(f"malformed mode '{value}': expected octal digits, such as 755", param, ctx)
        return mode


def store_option(function: F) -> F:
    """`store: Store`: the one named, else the nearest. It need not be there until it is read; writing makes it."""

    def convert(ctx: click.Context, param: click.Parameter, value: str | None) -> Store:
        path = located(value)
        return Store.open(path) if Store.is_layout(path) else Store(path)

    return click.option(
        "--store",
        metavar="DIR",
        envvar="KRUST_STORE",
        show_envvar=True,
        callback=convert,
        help=f"The OCI layout to work in; default: the nearest '{FOLDER}' from here upwards.",
    )(function)


def located(named: str | None) -> Path:
    """Where the store is: what was named, else the nearest upwards, else here; as short as it can be written."""
    if named is not None:
        return Path(named)
    here = Path.cwd()
    found = nearest(here) or here / FOLDER
    return found.relative_to(here) if found.is_relative_to(here) else found


compression_option: Callable[[F], F] = click.option(
    "--compression",
    type=click.Choice(["gzip", "zstd", "none"]),
    default="gzip",
    show_default=True,
    help="How the layer is compressed.",
)

json_option: Callable[[F], F] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

zero_option: Callable[[F], F] = click.option(
    "-z",
    "zero",
    is_flag=True,
    help="End each record with a zero byte, not a newline; paths and names stay as they are.",
)


def show(descriptor: Descriptor, *, as_json: bool) -> None:
    """What a command that creates prints: the digest, or the descriptor."""
    click.echo(str(descriptor) if as_json else str(descriptor.digest))


def opened(path: str) -> BinaryIO:
    """The file to read, `-` for standard input. Raises SourceError."""
    if path == "-":
        return sys.stdin.buffer
    try:
        return open(path, "rb")
    except OSError as error:
        raise SourceError(f"cannot read '{path}': {reason(error, 'name another file')}") from error


def records(stream: BinaryIO, *, zero: bool) -> Iterator[str]:
    """The records of a batch: lines, or, with `zero`, what zero bytes end. Empty ones are passed over."""
    separator = b"\0" if zero else b"\n"
    rest = b""
    while data := stream.read(1 << 16):
        *whole, rest = (rest + data).split(separator)
        yield from (_text(record) for record in whole if record)
    if rest:
        yield _text(rest)


def _text(record: bytes) -> str:
    try:
        text = record.decode()
    except UnicodeDecodeError:
        raise Malformed("record", record, expected="UTF-8") from None
    if "\0" in text:
        raise Malformed("record", text, expected="no zero byte, but with -z at its end")
    return text
