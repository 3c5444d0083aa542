"""Changing docker's config.json, which belongs to others: what krust does not know in it stays as it is."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from plumbing.errors import system_words
from plumbing.files import replacing
from plumbing.registry.authfile import AuthFile, docker_keys, load, servers, to_json
from plumbing.registry.credential import Credential, CredentialError


def store(path: Path, host: str, credential: Credential) -> None:
    """Write `credential` as the entry of `host`. Raises Malformed or CredentialError; the file is then as it was."""
    _change(path, lambda auths: auths.update({servers(host)[0]: to_json(credential)}))


def leave_to_helper(path: Path, host: str) -> None:
    """Write the empty entry by which docker says: in a helper. It replaces what was there. Raises as `store`."""
    _change(path, lambda auths: auths.update({servers(host)[0]: {}}))


def erase(path: Path, host: str) -> None:
    """Take out each entry that is read for `host`. Raises as `store`."""

    def forget(auths: dict[str, Any]) -> None:
        for key in list(docker_keys(auths, host, "")):
            del auths[key]

    if path.exists():
        _change(path, forget)


def _change(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Let `change` alter the entries of the file at `path`, and write it if they are others then."""
    try:
        target = path.resolve()  # dotfiles are often links into a repository: the link stays, its target is replaced
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(target.parent):
            raw = target.read_bytes() if target.exists() else b""
            value = load(raw, str(path))
            auths = dict(AuthFile.docker(raw, str(path)).auths)
            before = dict(auths)
            change(auths)
            if auths != before:
                value["auths"] = auths
                _replace(target, (json.dumps(value, indent="\t") + "\n").encode())
    except (OSError, RuntimeError) as error:  # RuntimeError: what `resolve` makes of a link to itself
        said = system_words(error) if isinstance(error, OSError) else "a link to itself"
        raise CredentialError(
            f"cannot write '{path}': {said}; set DOCKER_CONFIG to a folder that you may write to"
        ) from error


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` itself, or two logins at once would each write the file without the other's entry."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # NFS locks no folders; there one of two logins at once may be lost
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, data: bytes) -> None:
    """Put `data` in the place of the file at `path`, readable by its owner; whoever dies here leaves the old one."""
    with replacing(path, mode=0o600) as file:
        file.write(data)
        if path.exists():
            with contextlib.suppress(PermissionError):  # under sudo the file stays the person's
                os.fchown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
