"""What krust shows a registry that is busy, moody or rude. registries.md 2, and 4.4 from `retry_after_429`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from plumbing.errors import RegistryError, Unreachable
from tests.registry.faults import registry
from tests.registry.moves import APP, Image, Person, holds, image, person
from tests.tools import free_port


@pytest.fixture
def app(tmp_path: Path) -> Image:
    return image(tmp_path / "app")


@pytest.mark.parametrize(
    ("asked", "waited"), [(7, 7), ("date", 2), ("soon", 1), (0, 0), (3600, 120)], ids=["7", "date", "text", "0", "3600"]
)
def test_a_limit_is_waited_for_as_long_as_the_registry_asks(asked: Any, waited: float, app: Image) -> None:
    with registry(retry_after_429=asked) as r:
        someone = person(r)
        someone.push(r.host, app)
        assert holds(r, app)
    assert sum(someone.time.sleeps) == pytest.approx(waited, abs=1.5)


def test_a_limit_pauses_all_threads(tmp_path: Path) -> None:
    app = image(tmp_path / "app", *[1000] * 8)
    with registry(retry_after_429=(60, 1)) as r:
        someone = person(r)
        someone.push(r.host, app)
        assert holds(r, app)
    assert sum(1 for seconds in someone.time.sleeps if seconds > 50) >= 1
    assert [line for line in someone.warnings if "wants fewer requests; waiting 60 s" in line]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520, 524, "reset"])
def test_what_passes_is_tried_again_with_a_back_off(status: int | str, app: Image) -> None:
    with registry(flaky=(status, 4)) as r:
        someone = person(r)
        someone.push(r.host, app)
        assert holds(r, app)
    assert [round(seconds) for seconds in someone.time.sleeps] == [1, 2, 4, 8]


@pytest.mark.parametrize("status", [503, "reset"])
def test_five_tries_are_all(status: int | str, app: Image) -> None:
    with registry(flaky=(status, 5)) as r:
        kind, said = (Unreachable, r"\(5 tries\)") if status == "reset" else (RegistryError, "503 Service Unavailable")
        with pytest.raises(kind, match=said):
            person(r).push(r.host, app)
        assert len(r.seen("HEAD")) == 5


@pytest.mark.parametrize("status", [400, 405, 410, 501])
def test_what_does_not_pass_is_not_tried_again(status: int, app: Image) -> None:
    with registry() as good:
        person(good).push(good.host, app)
        with registry(flaky=(status, 99), store=good.store.path) as r:
            someone = person(r)
            with pytest.raises(RegistryError, match=f"'{r.host}' said {status}"):
                someone.ask(r.host, lambda repository: list(repository.tags()))
            # this registry says UNKNOWN, by which the code, not the status, asks for more tries
            assert len(r.seen(part="tags")) == 5


def test_an_empty_403_is_tried_once_more(app: Image) -> None:
    with registry() as good:
        person(good).push(good.host, app)
        with registry(empty_403_once=1, store=good.store.path) as r:
            assert person(r).ask(r.host, lambda repository: list(repository.tags())) == ["v1"]
        with registry(empty_403_once=2, store=good.store.path) as r:
            with pytest.raises(RegistryError, match="403 Forbidden"):
                person(r).ask(r.host, lambda repository: list(repository.tags()))
            assert len(r.seen(part="tags")) == 2


def test_an_error_is_shown_clean_and_cut(app: Image) -> None:
    with registry(plain_text_error=True) as r, pytest.raises(RegistryError) as caught:
        person(r).ask(r.host, lambda repository: repository.read(app.layer))
    said = str(caught.value)
    assert said.isprintable()
    assert "no entry go away" in said
    assert len(said) < 800


def test_a_warning_is_shown_once(tmp_path: Path, app: Image) -> None:
    with registry(warning_299=True) as r:
        someone = person(r)
        someone.push(r.host, app)
        assert len(r.requests) > 5
    assert someone.warnings == [f"'{r.host}' says: this registry will be gone by autumn"]


def test_a_warning_is_shown_clean(app: Image) -> None:
    with registry(warning_299=b'\\"red\\" \\x1b'.decode()) as r:
        someone = person(r)
        someone.push(r.host, app)
    assert all(line.isprintable() for line in someone.warnings)


# who is not there


def test_a_registry_that_is_not_there_is_named_with_the_reason() -> None:
    host = f"127.0.0.1:{free_port()}"
    someone = Person()
    with pytest.raises(Unreachable, match=rf"cannot reach '{host}': .* connection refused \(2 tries\)"):
        someone.ask(host, lambda repository: repository.resolve("v1"))
    assert someone.time.sleeps == [1.0], "a wrong port on this machine is no fault that passes"


def test_a_name_that_nobody_knows_is_not_tried_again() -> None:
    someone = Person()
    with pytest.raises(Unreachable, match=r"'registry\.invalid' gave no answer: no such host$"):
        someone.ask("registry.invalid", lambda repository: repository.resolve("v1"))
    assert someone.time.sleeps == []


def test_a_certificate_that_is_not_trusted_is_not_tried_again(app: Image) -> None:
    with registry(tls=True) as r:
        someone = person(r, ca=None)
        with pytest.raises(Unreachable, match=r"its certificate is not trusted .*'--ca FILE'"):
            someone.push(r.host, app)
        assert someone.time.sleeps == []
        assert r.requests == []


def test_a_certificate_is_not_checked_where_a_person_says_so(app: Image) -> None:
    with registry(tls=True) as r:
        person(r, ca=None, insecure=frozenset({r.host})).push(r.host, app)
        assert holds(r, app)


def test_a_certificate_of_another_host_is_refused(app: Image) -> None:
    with registry(tls=True) as r:
        name = f"unknown.test:{r.ports['main']}"
        someone = person(r, resolve={"unknown.test": "127.0.0.1"})
        with pytest.raises(Unreachable, match="its certificate is another host's"):
            someone.push(name, app)


def test_plain_http_is_only_for_loopback_and_who_was_named(app: Image) -> None:
    with registry() as r:
        with pytest.raises(Unreachable, match=r"cannot reach 'registry\.test"):
            person(r, plain_http=frozenset()).push(r.name, app)
        assert r.requests == []
        person(r, plain_http=frozenset({"registry.test"})).push(r.name, app)
        assert holds(r, app)


def test_silence_is_an_error_and_a_slow_body_is_not(app: Image) -> None:
    with registry(commit_then_timeout=True) as r:
        someone = person(r, commit=0.2, silence=5.0)
        begun = time.monotonic()
        someone.push(r.host, app, name=APP)
        assert time.monotonic() - begun < 4
        assert holds(r, app)


# what is logged


def test_each_request_and_answer_is_logged_without_secrets(app: Image) -> None:
    with registry(location_state=True, bearer=True, anonymous_token=True) as r:
        someone = person(r)
        someone.push(r.host, app, jobs=1)
        states = {part for q in r.requests for part in q.query.split("&") if part.startswith("_state")}
    assert states
    assert not any(state.partition("=")[2] in someone.said for state in states)
    requests = [line for line in someone.lines if line.startswith("> ") and line[2] != " "]
    assert len(requests) == len(r.requests)
    assert any(line.startswith("> PATCH http://") and "_state=***" in line for line in requests)
    assert "Authorization: ***" in someone.said
