"""Credentials: who krust is to a registry. The sources in their order, and where `krust login` writes."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from plumbing.errors import system_words
from plumbing.registry import dockerconfig
from plumbing.registry.authfile import AuthFile, servers
from plumbing.registry.credential import Credential, CredentialError
from plumbing.registry.helper import Ended, Helper, Run

_VARIABLE = "DOCKER_AUTH_CONFIG"
_SECONDS = 60.0  # a helper may have to ask its person for a passphrase
_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where credentials may be, the first place first.

    docker_auth_config  what the variable holds
    registry_auth_file  what the variable names
    docker_config       docker's config.json, also where `krust login` writes
    podman              each auth.json
    dockercfg           what docker had before config.json
    search_path         where credential helpers are looked for, as in PATH
    """

    docker_auth_config: str | None = field(default=None, repr=False)
    registry_auth_file: Path | None = None
    docker_config: Path
    podman: tuple[Path, ...] = ()
    dockercfg: Path | None = None
    search_path: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str], *, home: Path, uid: int, linux: bool) -> Self:
        """The places of a person. An empty variable counts as none. containers-auth.json(5); docker/cli, cli/config."""
        said = {name: text for name, text in environment.items() if text}
        docker = Path(said["DOCKER_CONFIG"]) if "DOCKER_CONFIG" in said else home / ".docker"
        config = Path(said.get("XDG_CONFIG_HOME", home / ".config"))
        runtime = (
            Path(said["XDG_RUNTIME_DIR"], "containers") if "XDG_RUNTIME_DIR" in said else Path(f"/run/containers/{uid}")
        )
        return cls(
            docker_auth_config=said.get(_VARIABLE),
            registry_auth_file=Path(said["REGISTRY_AUTH_FILE"]) if "REGISTRY_AUTH_FILE" in said else None,
            docker_config=docker / "config.json",
            podman=(*([runtime / "auth.json"] if linux else []), config / "containers/auth.json"),
            dockercfg=home / ".dockercfg",
            search_path=said.get("PATH", os.defpath),
        )

    def __str__(self) -> str:
        """Each place, for "not logged in": what was looked at and had nothing."""
        variable = (_VARIABLE,) if self.docker_auth_config else ()
        return ", ".join((*variable, *(f"'{path}'{_unreadable(path)}" for path, _ in self._files())))

    def read(self) -> Iterator[AuthFile]:
        """What each place says that is there, read when its turn comes. Raises Malformed or CredentialError."""
        if self.docker_auth_config:
            yield AuthFile.variable(self.docker_auth_config, _VARIABLE)
        for path, parse in self._files():
            raw = _read(path)
            if raw is not None:
                yield parse(raw, str(path))

    def _files(self) -> Iterator[tuple[Path, Callable[[bytes, str], AuthFile]]]:
        if self.registry_auth_file:
            yield self.registry_auth_file, AuthFile.podman
        yield self.docker_config, AuthFile.docker
        for path in self.podman:
            yield path, AuthFile.podman
        if self.dockercfg:
            yield self.dockercfg, AuthFile.flat


class Credentials:
    """The credentials of `places`, and before them those of `given`, by host.

    Each question is answered anew: a helper's answer is often good for an hour only, and an upload may take longer.
    Safe to use from several threads.
    """

    def __init__(
        self, places: Places, *, given: Mapping[str, Credential] | None = None, run: Run | None = None
    ) -> None:
        self.places = places
        self._given = dict(given or {})
        self._run = run or partial(run_program, search_path=places.search_path)

    def find(self, host: str, repository: str = "") -> Credential | None:
        """The credential for `repository` on `host` ("": for the host as such); None is anonymous.

        The first source with an entry wins, and one without hides nothing. Raises Malformed for a file that cannot be
        understood, CredentialError for a helper that fails.
        """
        for name in servers(host):
            if name in self._given:
                return self._given[name]
        for file in self.places.read():
            if found := self._ask(file, host) or file.find(host, repository):
                return found
        return None

    def missing(self, host: str) -> CredentialError:
        """The error for one who has to be somebody on `host`, and for whom `find` has nothing."""
        return CredentialError(f"not logged in to '{host}': nothing for it in {self.places}; try 'krust login {host}'")

    def store(self, host: str, credential: Credential) -> str:
        """Keep `credential` where docker would: in the helper that its config.json names, else in that file.

        Returns where it is now. Raises Malformed or CredentialError; nothing that was there is lost then.
        """
        path = self.places.docker_config
        for helper in self._helpers(self._docker_config(), host):
            helper.store(servers(host)[0], credential)
            dockerconfig.leave_to_helper(path, host)
            return str(helper)
        dockerconfig.store(path, host, credential)
        return str(path)

    def erase(self, host: str) -> tuple[str, ...]:
        """Forget what docker's config.json, and the helpers that it names, have for `host`. Returns where that was.

        Raises Malformed or CredentialError.
        """
        erased = []
        file = self._docker_config()
        for helper in self._helpers(file, host):
            for server in servers(host):
                if helper.get(server):
                    helper.erase(server)
                    erased.append(str(helper))
        if file.find(host, ""):
            erased.append(file.source)
        dockerconfig.erase(self.places.docker_config, host)
        return tuple(dict.fromkeys(erased))

    def _docker_config(self) -> AuthFile:
        path = self.places.docker_config
        return AuthFile.docker(_read(path) or b"", str(path))

    def _ask(self, file: AuthFile, host: str) -> Credential | None:
        for helper in self._helpers(file, host):
            for server in servers(host):
                if found := helper.get(server):
                    return found
        return None

    def _helpers(self, file: AuthFile, host: str) -> Iterator[Helper]:
        for name in file.helpers_of(host):
            yield Helper(name=name, named_in=file.source, run=self._run)


def run_program(program: str, verb: str, data: bytes, *, search_path: str, seconds: float = _SECONDS) -> Ended:
    """Run `program verb` without a shell, with `data` on its stdin; a secret is in `data`, never in the arguments.

    search_path  folders as in PATH; relative ones are left out, or the working directory could name the program
    seconds      how long it may take
    raises       CredentialError where it is missing, takes too long or says too much; it and its children are dead then
    """
    folders = os.pathsep.join(folder for folder in search_path.split(os.pathsep) if Path(folder).is_absolute())
    found = shutil.which(program, path=folders) if folders else None
    if found is None:
        raise CredentialError("no such program in PATH; install it, or take its name out of that file")
    try:
        process = subprocess.Popen(
            [found, verb],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what it says while it fails may be the secret
            start_new_session=True,  # a group of its own, to end with all that it started
        )
    except OSError as error:
        raise CredentialError(f"cannot run '{found}': {system_words(error)}; install it again") from error
    deadline = time.monotonic() + seconds
    try:
        out = _exchange(process, data, deadline)
        return Ended(process.wait(max(0.0, deadline - time.monotonic())), out)
    except (TimeoutError, subprocess.TimeoutExpired):
        raise CredentialError(f"not done after {seconds:g} s; see what '{program} list' does") from None
    finally:
        if process.returncode is None:  # not waited for, so the number is still its own
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        process.wait()


def _exchange(process: subprocess.Popen[bytes], data: bytes, deadline: float) -> bytes:
    """Feed `data` to stdin and read stdout to its end, both as far as they go. `communicate` has no limit of bytes."""
    assert process.stdin is not None
    assert process.stdout is not None
    os.set_blocking(process.stdin.fileno(), False)
    out = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdin, selectors.EVENT_WRITE)
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                if key.fileobj is process.stdout:
                    piece = os.read(key.fd, 65536)
                    out += piece
                    if not piece:
                        selector.unregister(process.stdout)
                    elif len(out) > _LIMIT:
                        raise CredentialError(f"it says more than {_LIMIT} bytes; it may be another program")
                else:
                    try:
                        data = data[os.write(key.fd, data) :]
                    except BrokenPipeError:
                        data = b""  # some helpers do not read to the end; their answer counts
                    if not data:
                        selector.unregister(process.stdin)
                        process.stdin.close()
    return bytes(out)


def _read(path: Path) -> bytes | None:
    """The bytes of the file at `path`; None where there is none that may be read."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError as error:
        raise CredentialError(f"cannot read '{path}': {system_words(error)}; move it away, or repair it") from error


def _unreadable(path: Path) -> str:
    return " (which may not be read)" if os.access(path, os.F_OK) and not os.access(path, os.R_OK) else ""
