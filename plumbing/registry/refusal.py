"""Refusal: what a registry's no means, in words that say what to do. registries.md, 1.2 and 4.1. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus

from plumbing.errors import Missing, RegistryError, Unauthorized
from plumbing.registry.message import Answer
from plumbing.registry.problem import Problem, clean

_WARNING = re.compile(r'299 [^" ]+ "((?:[^"\\]|\\.)*)"')
_TEXT = 300  # characters of a registry's own words in a message: enough for a sentence or two
_MISSING = ("NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN")


def of(doing: str, answer: Answer, *, host: str, credential: str | None) -> RegistryError:
    """The error for `answer`.

    doing       what could not be done, such as "push 'app'"
    credential  who we said to be, and from where that came
    """
    problem = answer.problem or Problem()
    kind: type[RegistryError] = RegistryError
    if answer.status == 401 or problem.has("UNAUTHORIZED"):
        kind = Unauthorized
    elif answer.status == 404 or problem.has(*_MISSING):
        kind = Missing
    then = _then(answer.status, problem, host, credential, pushing=doing.startswith("push"))
    message = f"cannot {doing}: '{host}' said {said(answer)}"
    return kind(f"{message}; {then}" if then else message, host=host, status=answer.status, codes=problem.codes)


def said(answer: Answer) -> str:
    """The status, and what the body says, cut."""
    try:
        phrase = f"{answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        phrase = str(answer.status)
    words = str(answer.problem) if answer.problem else ""
    if not words:
        return phrase
    return f"{phrase}: {words if len(words) <= _TEXT else words[:_TEXT] + '…'}"


def _then(status: int, problem: Problem, host: str, credential: str | None, *, pushing: bool) -> str:
    """The next step; "" where nobody knows one."""
    if problem.has("UNAUTHORIZED") and status == 400:
        return f"'krust login {host}', or, on Nexus, switch on its Docker Bearer Token Realm"
    if problem.has("DIGEST_INVALID") and pushing:
        return "'krust verify' tells whether the blob is corrupt here, or became so on its way"
    if problem.has("NAME_UNKNOWN") and pushing:
        return "create the repository there first, or check its name"
    if status == 401 or problem.has("UNAUTHORIZED"):
        if credential is None:
            return f"nobody is logged in there; try 'krust login {host}'"
        return f"it does not take {credential}; 'krust login {host}' replaces it"
    if status == 413:
        return (
            "that is the body limit of a proxy before the registry: raise it there (nginx: client_max_body_size), "
            "or upload in chunks"
        )
    if problem.has("TAG_ALREADY_EXISTS", "TAG_INVALID") or "immutable" in problem.text.lower():
        return "the tag is taken, and tags there are never moved; choose another"
    if status == 403 or problem.has("DENIED"):
        who = f"as {credential}" if credential else "without logging in"
        return f"that is not allowed {who}; check the repository's name and its permissions"
    if status == 429 or problem.has("TOOMANYREQUESTS"):
        return "try again later" if credential else f"try again later, or 'krust login {host}' for a higher limit"
    if status == 404 and not problem.codes:
        return "check the name"
    return ""


def warnings(values: Iterable[str]) -> Iterator[str]:
    """The texts of Warning headers with the code 299. distribution-spec 1.1, "Warnings"."""
    for value in values:
        for match in _WARNING.finditer(value):
            yield clean(re.sub(r"\\(.)", r"\1", match[1]))[:_TEXT]
