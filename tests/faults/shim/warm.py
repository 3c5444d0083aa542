"""Warm: a krust that has been started, and is forked for each command. Else most of the time went into imports.

A line of JSON on stdin for each run: argv, cwd, env, and files for stdin, stdout, stderr. The answer is a line with the
exit code, or minus the signal. The child runs krust's own entry point, and the shim begins anew in it.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import json
import os
import sys
from typing import Any

from krust import cli
from krust import commands as porcelain
from plumbing import commands as plumbing

_PATIENCE = 60
"""Seconds. A command that takes longer hangs: it ends, and says where it was."""


def _child(told: dict[str, Any]) -> None:
    for name, number, flags in (("stdin", 0, os.O_RDONLY), ("stdout", 1, os.O_WRONLY), ("stderr", 2, os.O_WRONLY)):
        os.dup2(os.open(told[name], flags), number)
    os.chdir(told["cwd"])
    os.environ.clear()
    os.environ.update(told["env"])
    sys.argv = ["krust", *told["argv"]]
    faulthandler.dump_traceback_later(_PATIENCE, exit=True)
    ctypes.CDLL(told["library"]).faults_begin()
    cli.main()  # ends the process


def main() -> None:
    for names, package in ((porcelain.NAMES, "krust.commands"), (plumbing.NAMES, "plumbing.commands")):
        for name in names:
            importlib.import_module(f"{package}.{name.replace('-', '_')}")
    for module in ("plumbing.registry.transport", "plumbing.layer.gzip", "krust.image.export", "tempfile", "xattr"):
        importlib.import_module(module)
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            try:
                _child(json.loads(line))
            finally:
                os._exit(99)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


main()
