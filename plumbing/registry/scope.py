"""Scopes: what a token allows, `type:name:action,action`. distribution, "Token Scope Documentation". Pure."""

from __future__ import annotations

from collections.abc import Iterable

_REPOSITORY = "repository:"


def of_repository(name: str, *, push: bool = False, mount: str | None = None) -> tuple[str, ...]:
    """What `name` needs, and after it the repository that is mounted from: some registries read the first only."""
    needed = f"{_REPOSITORY}{name}:{'push,pull' if push else 'pull'}"
    return (needed,) if mount is None else (needed, f"{_REPOSITORY}{mount}:pull")


def is_repository(scope: str) -> bool:
    return scope.startswith(_REPOSITORY)


def merge(scopes: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """`scopes` in their order, widened by the actions of `more`."""
    merged: dict[str, dict[str, None]] = {}
    for scope in (*scopes, *more):
        resource, _, actions = scope.rpartition(":")
        merged.setdefault(resource, {}).update(dict.fromkeys(actions.split(",")))
    return tuple(
        f"{resource}:{','.join(actions)}" if resource else ",".join(actions) for resource, actions in merged.items()
    )
