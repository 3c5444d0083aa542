"""Found: what layers come to, key by key: merged, placeholders filled in, parsed, with where it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from krust.config import keys, values
from krust.config.keys import Key
from krust.config.layers import Layer, Said
from krust.config.merge import Named, last
from krust.config.origin import Origin, Rank, below
from krust.config.placeholders import expand
from krust.config.values import Field, File
from plumbing.errors import Malformed

T = TypeVar("T")
S = TypeVar("S")

Shown = str | tuple[str, ...] | Mapping[str, str] | tuple[Mapping[str, str], ...] | None

DEFAULT = Origin(rank=Rank.DEFAULT, name="default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value(Generic[T]):
    """What one key came to.

    shown    the texts that it was made of; None where nothing is said and there is no default
    origins  of a table, each name's
    """

    value: T
    shown: Shown
    origin: Origin = DEFAULT
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def rank(self) -> Rank:
        return self.origin.rank


class Found:
    """Each method raises SettingError, which names the place, for a value that is not what it should be."""

    def __init__(self, layers: Sequence[Layer], facts: Callable[[str], str]) -> None:
        self.layers = layers
        self._facts = facts

    def text(self, key: Key[T]) -> Value[T]:
        """Of a key that has a fallback."""
        return self._text(key, last(self.layers, key.name) or Said(raw=key.fallback, origin=DEFAULT))

    def optional(self, key: Key[T]) -> Value[T | None]:
        said = last(self.layers, key.name)
        if said is None:
            return Value(value=None, shown=None)
        return cast(Value[T | None], self._text(key, said))

    def texts(self, key: Key[T]) -> Value[tuple[T, ...]]:
        """Where nothing is said, the fallback, or nothing."""
        said = last(self.layers, key.name)
        if said is None and key.fallback is None:
            return Value(value=(), shown=None)
        said = said or Said(raw=[cast(str, key.fallback)], origin=DEFAULT)
        filled = [self._filled(text, said.origin, f"[{at}]") for at, text in enumerate(cast("list[str]", said.raw))]
        parsed = [placed(key.parse, text, said.origin, f"[{at}]") for at, text in enumerate(filled)]
        return Value(value=tuple(parsed), shown=tuple(filled), origin=said.origin)

    def table(self, key: Key[T], said: Named) -> Value[Mapping[str, T]]:
        """Of a merged table; what was said to be none is not in it."""
        texts = {
            name: (text if origin.literal else self._filled(text, origin, below(name)), origin)
            for name, (text, origin) in said.items()
            if text is not None
        }
        return Value(
            value={name: placed(key.parse, text, origin, below(name)) for name, (text, origin) in texts.items()},
            shown={name: text for name, (text, _) in texts.items()} or None,
            origins={name: origin for name, (_, origin) in texts.items()},
        )

    def files(self) -> Value[tuple[File, ...]]:
        said = last(self.layers, keys.FILES.name)
        if said is None:
            return Value(value=(), shown=None)
        entries = list(self._entries(said))
        return Value(
            value=tuple(file for file, _ in entries), shown=tuple(texts for _, texts in entries), origin=said.origin
        )

    def _entries(self, said: Said) -> Iterator[tuple[File, dict[str, str]]]:
        folder = said.origin.file.parent if said.origin.file else Path()
        for at, fields in enumerate(cast("list[dict[str, str]]", said.raw)):
            texts = {name: self._filled(text, said.origin, f"[{at}].{name}") for name, text in fields.items()}

            def value(
                name: Field, parse: Callable[[str], S], otherwise: str = "", at: int = at, texts: Any = texts
            ) -> S:
                return placed(parse, texts.get(name, otherwise), said.origin, f"[{at}].{name}")

            uid, gid = value("user", values.owner, "0")
            file = File(
                src=folder / value("src", values.word) if "src" in texts else None,
                dest=value("dest", values.absolute),
                mode=value("mode", values.mode) if "mode" in texts else None,
                uid=uid,
                gid=gid,
            )
            yield file, texts

    def _text(self, key: Key[T], said: Said) -> Value[T]:
        filled = self._filled(cast(str, said.raw), said.origin)
        return Value(value=placed(key.parse, filled, said.origin), shown=filled, origin=said.origin)

    def _filled(self, text: str, origin: Origin, path: str = "") -> str:
        return expand(text, self._facts, origin.place(path))


def placed(parse: Callable[[str], T], text: str, origin: Origin, path: str = "") -> T:
    """`parse(text)`; what is wrong with it is a SettingError that names the place."""
    try:
        return parse(text)
    except Malformed as error:
        raise origin.placed(error, path) from None
