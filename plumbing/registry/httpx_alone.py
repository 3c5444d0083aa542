"""httpx without its command line. Import it from here, when a request is made.

Where rich and pygments are installed, `import httpx` imports both for a program that it has: 80 ms and 6 MiB that no
library needs. A None in sys.modules makes that one import fail, which httpx is written to live with.
"""

from __future__ import annotations

import sys

_PROGRAM = "httpx._main"

if _PROGRAM in sys.modules:  # somebody imported httpx before, and paid
    import httpx
else:
    sys.modules[_PROGRAM] = None  # type: ignore[assignment]  # "halted; None in sys.modules": Python's own way to say no
    import httpx

    del sys.modules[_PROGRAM]

__all__ = ["httpx"]
