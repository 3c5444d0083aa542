"""krust serve, as a person runs it."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.krust.commands.conftest import Krust
from tests.tools import KRUST


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGTERM, 0, ""), (signal.SIGINT, 130, "krust: interrupted")]
)
def test_prints_its_address_and_ends_cleanly(number: int, code: int, said: str, tmp_path: Path) -> None:
    argv: list[str | Path] = [KRUST, "serve", "--store", tmp_path / "store"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            address = server.stdout.readline()
            assert re.fullmatch(r"localhost:\d+\n", address)
            assert httpx.get(f"http://{address.strip()}/v2/", verify=False).status_code == 200
            server.send_signal(number)
            out, errors = server.communicate(timeout=10)
        finally:
            server.kill()
    assert (server.returncode, out, errors.strip()) == (code, "", said)


@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.0.1", "example.com", ""])
def test_other_addresses_than_loopback_are_a_usage_error(address: str, krust: Krust) -> None:
    outcome = krust("serve", "--host", address)
    assert (outcome.code, "loopback" in outcome.stderr) == (2, True)


def test_a_store_that_is_only_read_must_be_there(krust: Krust, tmp_path: Path) -> None:
    outcome = krust("serve", "--read-only", "--store", tmp_path / "none")
    assert (outcome.code, outcome.stdout) == (1, "")
    assert "no OCI layout there" in outcome.fault
    assert not (tmp_path / "none").exists()
