"""cfg(...) expressions, as in target.'cfg(...)' of cargo's configuration: do they hold for a target?

Source: the Rust reference, "Conditional compilation"; cargo knows the same words: all, any, not, true, false, names and
pairs.
"""

from __future__ import annotations

import re
from collections.abc import Set

from plumbing.errors import Malformed

_TOKEN = re.compile(r'\s*(?:(?P<name>(?:r#)?[A-Za-z_]\w*)|(?P<text>"[^"]*")|(?P<mark>[(),=]))')
_FORM = 'cfg(name), cfg(name = "text"), with all(...), any(...) and not(...)'
_DEPTH = 32


def holds(expression: str, facts: Set[str]) -> bool:
    """Whether `expression`, "cfg(...)", holds where `facts` do: lines of `rustc --print=cfg`. Raises Malformed."""
    tokens = _tokens(expression)
    tokens.reverse()  # so that the next one is popped off the end
    value = _call(tokens, "cfg", facts, expression, 0) if tokens.pop() == "cfg" else None
    if tokens or value is None:
        raise Malformed("cfg expression", expression, expected=_FORM)
    return value


def _tokens(expression: str) -> list[str]:
    found, at = [], 0
    text = expression.strip()
    while at < len(text):
        if not (match := _TOKEN.match(text, at)):
            raise Malformed("cfg expression", expression, expected=_FORM)
        found.append(match.group().strip())
        at = match.end()
    return found or ["", ""]


def _call(tokens: list[str], name: str, facts: Set[str], expression: str, depth: int) -> bool | None:
    """The value of `name(...)`, whose name has been read; None if it is malformed."""
    if depth > _DEPTH or not tokens or tokens.pop() != "(":
        return None
    values: list[bool] = []
    while tokens and tokens[-1] != ")":
        if (value := _predicate(tokens, facts, expression, depth)) is None:
            return None
        values.append(value)
        if not tokens or tokens[-1] not in (",", ")"):
            return None
        if tokens[-1] == ",":
            tokens.pop()
    if not tokens:
        return None
    tokens.pop()
    if name == "all":
        return all(values)
    if name == "any":
        return any(values)
    return (values[0] != (name == "not")) if len(values) == 1 else None


def _predicate(tokens: list[str], facts: Set[str], expression: str, depth: int) -> bool | None:
    name = tokens.pop()
    following = tokens[-1] if tokens else ""
    if following == "(" and name in ("all", "any", "not"):
        return _call(tokens, name, facts, expression, depth + 1)
    if following == "=":
        tokens.pop()
        value = tokens.pop() if tokens else ""
        return f"{name}={value}" in facts if value.startswith('"') else None
    if not name.isidentifier() and not name.startswith("r#"):
        return None
    return name == "true" or (name != "false" and name.removeprefix("r#") in facts)
