"""Where all of it was measured: what RESULTS.md says first."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

from bench import peers
from krust import __version__
from plumbing.layer.codec import codec_id
from tests.tools import ROOT


def machine() -> dict[str, str]:
    return {
        "processor": f"{os.cpu_count()} cores, {_processor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "load at the start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def versions(found: list[str]) -> dict[str, str]:
    """Of krust and what it stands on, and of the peers that are there."""
    return {
        "krust": f"{__version__}, commit {_first_line('git', '-C', str(ROOT), 'describe', '--always', '--dirty')}",
        "Python": sys.version.split()[0],
        "gzip": codec_id("gzip"),
        "zstd": codec_id("zstd"),
        "cargo": _first_line(os.environ.get("CARGO", "cargo"), "--version"),
        "rustc": _first_line(os.environ.get("RUSTC", "rustc"), "--version"),
        **peers.versions(found),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _first_line(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.partition("\n")[0]
    except FileNotFoundError:
        return "none"
