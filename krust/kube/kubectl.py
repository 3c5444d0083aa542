"""kubectl: gets what was resolved. krust becomes it, so its output, its exit code and its signals are its own."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import BinaryIO, NoReturn

from krust.errors import ProgramMissing

_NAME = "kubectl"


def find(env: Mapping[str, str]) -> str:
    """The path of kubectl. Raises ProgramMissing."""
    path = shutil.which(_NAME, path=env.get("PATH", os.defpath))
    if path is None:
        where = "https://kubernetes.io/docs/tasks/tools/"
        raise ProgramMissing(f"cannot find '{_NAME}' on PATH; get it from {where}, or 'krust resolve' without it")
    return path


def become(path: str, words: Sequence[str], *, standard_input: BinaryIO, env: Mapping[str, str]) -> NoReturn:
    """Put kubectl, with `words` and `standard_input`, in the place of this process. Raises ProgramMissing.

    standard_input  a file, read from its start, not a pipe: nobody is left who would write
    """
    sys.stdout.flush()
    sys.stderr.flush()
    standard_input.flush()
    standard_input.seek(0)
    os.dup2(standard_input.fileno(), 0)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what is ignored stays so in another program
    try:
        os.execvpe(path, [_NAME, *words], dict(env))  # noqa: S606  (a shell would only be in between)
    except OSError as error:
        raise ProgramMissing(
            f"cannot start '{path}': {(error.strerror or str(error)).lower()}; install it again"
        ) from error
