"""The porcelain's errors: leaves of the one tree of plumbing/errors.py.

KrustError
├── CargoError         cargo, rustc or rustup failed, or said something that krust does not understand
├── ProjectError       the project is not one that an image can be made of as asked
├── ToolchainError     no compiler or no standard library for a target, and what would get it
├── BinaryError        what was built is no static executable for its platform
├── Faults             several at once, a line each
├── ProgramMissing     another program that is to be run is not there
├── EngineError        docker, podman or a cluster does not run an image
├── KubeError          YAML, a reference in it or a selector that cannot be used; most know file, line and column
└── SettingError       a flag, variable or key with a value that means nothing
"""

from __future__ import annotations

from collections.abc import Sequence

from plumbing.errors import PlumbingError


class KrustError(PlumbingError):
    """The root of the porcelain's errors."""


class CargoError(KrustError):
    """cargo, rustc or rustup failed. Its own words are on stderr already."""


class ProjectError(KrustError):
    """No Cargo.toml, no binary target, several and none chosen."""


class ToolchainError(KrustError):
    """What compiles for the target is not there. The message names the commands that would get it."""


class Faults(KrustError):
    """Several errors that were found before anything was done. Raise it by `check`."""

    @classmethod
    def check(cls, faults: Sequence[PlumbingError]) -> None:
        """Raise what `faults` has, if it has anything: the only one as it is. The same line is not said twice."""
        if len(faults) == 1:
            raise faults[0]
        if faults:
            raise cls(*dict.fromkeys(line for fault in faults for line in str(fault).split("\n")))


class ProgramMissing(KrustError):
    """The exit code is that of a shell which does not find a command."""

    exit_code = 127


class EngineError(KrustError):
    """docker, podman or kubectl failed at something else than running the program. Its own words are on stderr."""


class BinaryError(KrustError):
    """Not ELF, another machine, or dynamically linked."""


class SettingError(KrustError):
    """A setting that cannot be used. The message says where it came from."""


class KubeError(KrustError):
    """YAML that cannot be read, or a reference in it that means nothing or cannot be replaced. It says where."""
