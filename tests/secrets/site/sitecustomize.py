"""Imported by each Python that a test starts: a krust tells what programs it starts, and what files it writes.

tests/secrets/watch.py puts this folder on PYTHONPATH, and listens in its own process by the same `listen`.
"""

import os
import sys

_STARTS = {"subprocess.Popen": 1, "os.exec": 1, "os.posix_spawn": 1, "os.system": 0}
"""Each event of a program's start, and which of its arguments the words are."""


def listen(tell, wanted=lambda: True):
    """Call `tell` with "argv" and a program's words, or "file" and the path of a file that is written to.

    wanted  whether what happens now is of interest
    """

    def hook(event, args):
        if event == "open":
            path, _, flags = args
            if isinstance(path, (str, bytes)) and flags & (os.O_WRONLY | os.O_RDWR) and wanted():
                tell("file", _absolute(path))
        elif event == "os.rename":
            if isinstance(args[1], (str, bytes)) and wanted():
                tell("file", _absolute(args[1]))
        elif event in _STARTS and wanted():
            words = args[_STARTS[event]]
            words = [words] if isinstance(words, (str, bytes, os.PathLike)) else words
            tell("argv", "\0".join(os.fsdecode(word) for word in words))

    sys.addaudithook(hook)


def _absolute(path):
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100  (pathlib is not for every start of a Python)


def _is_krust(words):
    """Whether the command line `words` is krust's, and not that of a helper in Python or of zig."""
    name = words[1].rpartition("/")[2] if len(words) > 1 else ""
    program = words[words.index("-c") + 1] if "-c" in words[:-1] else ""
    named = name in ("krust", "cargo-krust") or words[1:3] == ["-m", "plumbing"]
    return named or "krust" in program or "plumbing" in program


def _start():
    folder = os.environ.get("TESTS_WATCH")
    if not folder or not _is_krust(sys.orig_argv):
        return
    if not os.access(folder, os.W_OK):
        return  # another user's, as one test has it: a hook that fails would make the start of a program fail

    def tell(kind, text):
        descriptor = os.open(f"{folder}/{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
        os.write(descriptor, f"{kind}\0{text}\n".encode(errors="surrogateescape"))
        os.close(descriptor)

    def first(kind, text):
        if not text.startswith(folder):
            tell(kind, text)

    listen(first)


if __name__ == "sitecustomize":
    _start()
