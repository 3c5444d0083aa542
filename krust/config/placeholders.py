"""Placeholders: {version} and its like in a value. No shell, no expressions; a brace that is meant is written twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from krust.cargo.git import Git
from krust.errors import SettingError
from plumbing.errors import shown

KNOWN: dict[str, str] = {
    "version": "the package's version, as cargo knows it",
    "git.commit": "the commit that is checked out, all 40 digits",
    "git.tag": "a tag of that very commit, the highest version if it has several",
    "git.branch": "the branch that is checked out",
    "env.NAME": "the environment variable NAME",
}
"""Each with its meaning. NAME stands for any."""

_TOKEN = r"\{\{|\}\}|\{([^{}]*)\}|[{}]"
_ENV = "env."
_BRACES = "a brace is written twice: {{ or }}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What placeholders stand for. Each is found out when it is asked for."""

    version: str
    git: Git = field(repr=False)
    env: Mapping[str, str] = field(repr=False)

    def __call__(self, name: str) -> str:
        """Raises SettingError for a name that nobody knows, and for a fact that is not there."""
        match name:
            case "version":
                return self.version
            case "git.commit":
                return self.git.commit
            case "git.tag":
                return self.git.tag
            case "git.branch":
                return self.git.branch
        if not name.startswith(_ENV) or name == _ENV:
            known = ", ".join(f"{{{each}}}" for each in KNOWN)
            raise SettingError(f"no such placeholder; there are {known}; {_BRACES}")
        variable = name.removeprefix(_ENV)
        if variable not in self.env:
            raise SettingError(f"the environment has no variable '{shown(variable)}'; set it")
        return self.env[variable]


def expand(text: str, facts: Callable[[str], str], place: str) -> str:
    """`text` with its placeholders filled in. What they are filled with is not looked into again.

    place   where the text stands, for the message: in 'KRUST_TAGS'
    raises  SettingError, also for a brace alone
    """

    def fill(token: re.Match[str]) -> str:
        match token[0]:
            case "{{" | "}}":
                return token[0][0]
            case "{" | "}":
                raise SettingError(f"cannot read '{shown(text)}' {place}: '{token[0]}' stands alone; {_BRACES}")
        try:
            return facts(token[1])
        except SettingError as error:
            raise SettingError(f"cannot fill in '{shown(token[0])}' {place}: {error}") from error

    return re.sub(_TOKEN, fill, text) if "{" in text or "}" in text else text
