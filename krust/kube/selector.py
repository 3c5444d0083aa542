"""Selector: Kubernetes' label selectors, as apimachinery's package labels reads them (pkg/labels/selector.go)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from plumbing.errors import Malformed, shown

_FORM = "requirements such as app=web, tier!=db, app in (web,api), tier notin (db), app, !app, joined by commas"
_SPECIAL = "=!(),><"
# As its lexer does: the longest operator first; all else up to white space or a special character is one word.
_TOKEN = re.compile(rf"[ \t\r\n]*(==|!=|[{_SPECIAL}]|[^{_SPECIAL} \t\r\n]+)")
_OPERATORS = ("=", "==", "!=", "in", "notin", ">", "<")

_LONGEST_NAME, _LONGEST_PREFIX = 63, 253
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_PREFIX = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_INTEGER = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """`operator` is 'exists', '!', or one of '=', '==', '!=', 'in', 'notin', '>', '<'; `values` are sorted."""

    key: str
    operator: str = "exists"
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(sorted(set(self.values))))
        _check_key(self.key)
        for value in self.values:
            _check_value(value)
        match self.operator:
            case "exists" | "!":
                fits = not self.values
            case "in" | "notin":
                fits = bool(self.values)
            case "=" | "==" | "!=":
                fits = len(self.values) == 1
            case ">" | "<":
                fits = len(self.values) == 1 and _integer(self.values[0]) is not None
            case _:
                fits = False
        if not fits:
            raise Malformed("label selector", str(self), expected=_FORM)

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "!=" | "notin":
                return value not in self.values
            case ">" | "<":
                found, bound = _integer(value or ""), _integer(self.values[0])
                if found is None or bound is None:
                    return False
                return found > bound if self.operator == ">" else found < bound
        return value in self.values

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(self.values)})"
        return f"{self.key}{self.operator}{','.join(self.values)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """All of `requirements`, sorted by key. None at all: everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def __post_init__(self) -> None:
        in_order = sorted(self.requirements, key=lambda requirement: requirement.key)
        object.__setattr__(self, "requirements", tuple(in_order))

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(requirements=tuple(_Parser(text).requirements()))

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


class _Parser:
    """`in` and `notin` are words like others where a key or a value is due."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        at = 0
        while token := _TOKEN.match(text, at):
            self._tokens.append(token[1])
            at = token.end()
        self._tokens.reverse()

    def requirements(self) -> list[Requirement]:
        if not self._tokens:
            return []
        found = [self._requirement()]
        while self._tokens:
            self._take(",")
            found.append(self._requirement())
        return found

    def _requirement(self) -> Requirement:
        if self._next() == "!":
            self._take("!")
            return Requirement(key=self._word(), operator="!")
        key = self._word()
        if self._next() in ("", ","):
            return Requirement(key=key)
        operator = self._take(*_OPERATORS)
        if operator in ("in", "notin"):
            return Requirement(key=key, operator=operator, values=tuple(self._values()))
        value = "" if self._next() in ("", ",") else self._word()
        return Requirement(key=key, operator=operator, values=(value,))

    def _values(self) -> list[str]:
        """Those in brackets. Nothing between two commas, or between the brackets, is the empty value."""
        self._take("(")
        values, mark = [], ","
        while mark == ",":
            values.append("" if self._next() in (",", ")") else self._word())
            mark = self._take(",", ")")
        return values

    def _next(self) -> str:
        return self._tokens[-1] if self._tokens else ""

    def _take(self, *expected: str) -> str:
        if self._next() not in expected:
            raise self._fault(" or ".join(f"'{each}'" for each in expected))
        return self._tokens.pop()

    def _word(self) -> str:
        word = self._next()
        if not word or word[0] in _SPECIAL:
            raise self._fault("a key or a value")
        return self._tokens.pop()

    def _fault(self, expected: str) -> Malformed:
        found = f"'{shown(self._next())}'" if self._tokens else "its end"
        return Malformed("label selector", self._text, expected=f"{expected}, not {found}")


def _check_key(key: str) -> None:
    """util/validation, IsQualifiedName."""
    prefix, slash, name = key.rpartition("/")
    if slash and not (_PREFIX.fullmatch(prefix) and len(prefix) <= _LONGEST_PREFIX):
        raise Malformed("label key", key, expected="before '/' a domain in lower case, of at most 253 characters")
    if not (_NAME.fullmatch(name) and len(name) <= _LONGEST_NAME):
        raise Malformed("label key", key, expected=_word_form(_LONGEST_NAME))


def _check_value(value: str) -> None:
    """util/validation, IsValidLabelValue."""
    if value and not (_NAME.fullmatch(value) and len(value) <= _LONGEST_NAME):
        raise Malformed("label value", value, expected=_word_form(_LONGEST_NAME))


def _word_form(longest: int) -> str:
    return f"letters, digits, '-', '_', '.', the first and last a letter or digit; at most {longest}"


def _integer(text: str) -> int | None:
    """As Go's strconv.ParseInt(text, 10, 64)."""
    if not _INTEGER.fullmatch(text) or len(text) > 100:
        return None
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 else None
