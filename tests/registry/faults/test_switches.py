"""The switches of the test registry, whichever they are."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.registry.faults import SWITCHES, registry
from tests.registry.faults.talk import LAYER, image, talk


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_has_a_test_beside_it(name: str) -> None:
    module = SWITCHES[name].__module__.rpartition(".")[2]
    tests = Path(__file__).with_name(f"test_{module}.py").read_text()
    assert f"\ndef test_{name}(" in tests


@pytest.mark.parametrize("tls", [False, True])
def test_all_off_is_an_open_registry(tls: bool) -> None:
    with talk(tls=tls) as (r, c):
        assert c.get("/v2/").status_code == 200
        c.push()
        assert c.manifest("v1", image(r)).status_code == 201
        assert c.get("/v2/app/manifests/v1").status_code == 200
        assert r.store.refs.get("app:v1") is not None
        assert [(q.method, q.status, q.origin) for q in r.requests[:2]] == [("GET", 200, "main"), ("POST", 202, "main")]
        assert r.seen("PUT", "uploads")[0].length == len(LAYER)


def test_unknown_switch_is_an_error() -> None:
    with pytest.raises(TypeError, match="no_such"), registry(no_such=True):
        pass


def test_switches_combine() -> None:
    on = {"relative_location": True, "location_state": True, "location_changes": True, "location_cross_host": True}
    with talk(**on, wrong_path_301=True, bearer=True, reset_mid_patch=1000, odd_success=True, tls=True) as (r, c):
        c.use(c.log_in(r))
        url = c.open()
        del c.headers["Authorization"]
        assert url.startswith(f"https://{r.other}/artifacts-uploads/")
        with pytest.raises(httpx.TransportError):
            c.patch(url, content=LAYER)


def test_basic_credentials_hold_what_parsers_trip_over() -> None:
    with registry() as r:
        assert ":" in r.password
        assert '"' in r.password
