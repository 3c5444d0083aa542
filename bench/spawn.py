"""Run a program, and print what it took: seconds, seconds of processors, most KiB in memory, and how it ended.

    python -IS spawn.py STDOUT PROGRAM [ARGUMENT...]

A process of its own, and a small one: until it runs the program, a child counts what its parent has in memory.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

signal.signal(signal.SIGTERM, lambda *_: None)  # the program ends itself, and this ends with it
with open(sys.argv[1], "wb") as out:
    began = time.perf_counter()
    process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=out)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
code = os.waitstatus_to_exitcode(status)
print(json.dumps([wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, code]))
