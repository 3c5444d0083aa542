"""Challenge: what WWW-Authenticate asks for. RFC 9110, section 11.6.1: a list of challenges that hold lists. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TOKEN68 = _TOKEN | frozenset("/=")


@dataclass(frozen=True, slots=True)
class Challenge:
    """`scheme` and the names of `fields` are in lower case: they have none."""

    scheme: str
    fields: Mapping[str, str] = field(default_factory=dict)


def parse(values: Iterable[str]) -> list[Challenge]:
    """The challenges of all WWW-Authenticate headers, in their order. What cannot be read is passed over."""
    return [challenge for value in values for challenge in _parse(_Text(value))]


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """The one to answer: Bearer before Basic; Negotiate, NTLM and others are not ours."""
    known = {challenge.scheme: challenge for challenge in reversed(list(challenges))}
    return known.get("bearer") or known.get("basic")


def _parse(text: _Text) -> Iterator[Challenge]:
    """A word begins a challenge, unless a '=' after it makes it the name of a field of the challenge before."""
    scheme = ""
    fields: dict[str, str] = {}
    while not text.at_end():
        text.skip(" \t,")
        word = text.word(_TOKEN)
        if not word:
            text.skip_one()  # no grammar has this here; the next word may be good again
            continue
        spaces = text.skip(" \t")
        if scheme and text.peek() == "=":
            text.skip_one()
            text.skip(" \t")
            fields.setdefault(word.lower(), text.quoted() if text.peek() == '"' else text.word(_TOKEN68))
            continue
        if scheme:
            yield Challenge(scheme, fields)
        scheme, fields = word.lower(), {}
        if spaces:
            text.skip_token68()
    if scheme:
        yield Challenge(scheme, fields)


class _Text:
    """A header's value and how far it was read."""

    def __init__(self, value: str) -> None:
        self._value = value
        self._at = 0

    def at_end(self) -> bool:
        return self._at >= len(self._value)

    def peek(self) -> str:
        return self._value[self._at : self._at + 1]

    def skip_one(self) -> None:
        self._at += 1

    def skip(self, characters: str) -> int:
        start = self._at
        while not self.at_end() and self.peek() in characters:
            self._at += 1
        return self._at - start

    def word(self, characters: frozenset[str]) -> str:
        start = self._at
        while not self.at_end() and self.peek() in characters:
            self._at += 1
        return self._value[start : self._at]

    def quoted(self) -> str:
        """A quoted-string; one that is not closed goes to the end."""
        self.skip_one()
        out = []
        while not self.at_end() and self.peek() != '"':
            if self.peek() == "\\":
                self.skip_one()
            out.append(self.peek())
            self.skip_one()
        self.skip_one()
        return "".join(out)

    def skip_token68(self) -> None:
        """Pass over `Negotiate YII=`: one word to the next comma, where a field would go on after its '='."""
        start = self._at
        word = self.word(_TOKEN68)
        self.skip(" \t")
        if not word or not (self.at_end() or self.peek() == ",") or "=" in word.rstrip("="):
            self._at = start
