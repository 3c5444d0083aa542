"""What krust shows a registry that wants to know who is there. registries.md 3, and 4.4 from `many_challenges`."""

from __future__ import annotations

import threading
import tracemalloc
from base64 import b64decode, b64encode
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from plumbing.errors import RegistryError, Unauthorized
from plumbing.registry import Credential
from tests.registry.faults import Registry, registry
from tests.registry.moves import APP, Image, Person, holds, image, person, token_user, user
from tests.secrets import leaks, secret


@pytest.fixture
def app(tmp_path: Path) -> Image:
    return image(tmp_path / "app")


@pytest.mark.parametrize(
    "switches",
    [
        {"bearer": True},
        {"bearer": True, "tls": True},
        {"many_challenges": True},
        {"basic_only": True},
        {"token_expires_mid_upload": "PATCH"},
        {"token_expires_mid_upload": "PUT"},
        {"token_expires_mid_upload": ("requests", 4)},
        {"access_token_only": True},
        {"first_scope_only": True},
        {"insufficient_scope": True},
        {"scope_aws": True},
        {"realm_foreign": True},
        {"realm_foreign": "relative"},
    ],
    ids=str,
)
def test_a_person_with_a_password_pushes_and_fetches(switches: dict[str, Any], app: Image, tmp_path: Path) -> None:
    with registry(**switches) as r:
        someone = person(r, user(r))
        someone.push(r.name, app, jobs=1)
        assert holds(r, app)
        fetched = someone.fetch(r.name, "v1", tmp_path / "there")
        assert fetched.store.complete(app.root)
        assert r.password not in someone.said
        assert "Bearer " not in someone.said.replace("Bearer realm", "")


def test_anonymous_push_works_where_strangers_get_tokens(app: Image) -> None:
    with registry(anonymous_token=True) as r:
        person(r).push(r.host, app)
        assert holds(r, app)
        assert not any("authorization" in q.headers for q in r.seen(part="/token"))


@pytest.mark.parametrize("switches", [{"bearer": True}, {"basic_only": True}], ids=str)
def test_a_stranger_is_told_to_log_in(switches: dict[str, Any], app: Image) -> None:
    with registry(**switches) as r:
        with pytest.raises(Unauthorized, match=f"'krust login {r.host}'") as caught:
            person(r).push(r.host, app)
        assert caught.value.host == r.host


@pytest.mark.parametrize("switches", [{"bearer": True}, {"basic_only": True}], ids=str)
def test_a_wrong_password_is_an_error_that_says_where_it_came_from(switches: dict[str, Any], app: Image) -> None:
    wrong = Credential(username="me", password="wrong-secret", source="/home/me/.docker/config.json")
    with registry(**switches) as r:
        with pytest.raises(Unauthorized, match=r"me from /home/me/\.docker/config\.json.*'krust login") as caught:
            person(r, wrong).push(r.host, app)
        assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_what_a_server_repeats_of_a_secret_is_not_shown(scheme: str) -> None:
    """Some proxies show the whole request in their error pages."""

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = self.headers.get("Authorization", "")
            if self.path.startswith("/token"):
                self._answer(200, b'{"token": "%s"}' % secret("a token").encode())
            elif not said:
                realm = f"http://127.0.0.1:{self.server.server_port}/token"  # type: ignore[attr-defined]
                self._answer(401, b"", WWW_Authenticate=f'{scheme} realm="{realm}"')
            else:
                password = b64decode(said.partition(" ")[2]) if scheme == "Basic" else b""
                self._answer(400, f"you said {said}".encode() + password, X_Echo=said, Warning=f'299 - "{said}"')

        do_HEAD = do_GET

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content_Length": str(len(body))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body if self.command == "GET" else b"")

        def log_message(self, *_: Any) -> None:
            pass

    me = Credential(username="me", password=secret("echoed"), source="the test")
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever).start()
        someone = Person(credential=me)
        with pytest.raises(RegistryError, match=rf"400 Bad Request: you said {scheme} \*\*\*") as caught:
            someone.ask(f"127.0.0.1:{server.server_port}", lambda repository: list(repository.tags()))
        server.shutdown()
    said = f"{caught.value}\n{someone.said}"
    assert f"x-echo: {scheme} ***" in said.lower().replace(scheme.lower(), scheme)
    assert not leaks(said.encode())


def test_a_credential_is_looked_for_only_when_it_is_asked_for(app: Image) -> None:
    with registry() as r:
        someone = person(r, user(r))
        someone.push(r.host, app)
        assert someone.asked == []
    with registry(bearer=True) as r:
        someone = person(r, user(r))
        someone.push(r.host, app)
        assert someone.asked == [(r.host, APP)]


def test_basic_goes_with_every_request_but_the_first(app: Image) -> None:
    with registry(basic_only=True) as r:
        person(r, user(r)).push(r.host, app)
        first, *rest = r.requests
    expected = "Basic " + b64encode(f"{r.user}:{r.password}".encode()).decode()
    assert "authorization" not in first.headers
    assert {q.headers.get("authorization") for q in rest} == {expected}
    assert {q.status for q in rest} <= {200, 201, 202, 404}


def test_bearer_is_found_among_other_challenges(app: Image) -> None:
    with registry(many_challenges=True) as r:
        person(r, user(r)).push(r.host, app)
        assert holds(r, app)
        assert parse_qs(r.seen(part="/token")[0].query)["service"] == ["test, registry"]


@pytest.mark.parametrize("switches", [{"bearer": True}, {"basic_only": True}, {}], ids=str)
def test_a_credential_can_be_tried_before_there_is_anything_to_push(switches: dict[str, Any]) -> None:
    with registry(**switches) as r:
        with person(r, user(r)).registry(r.host) as it:
            it.sign_in()
        wrong = Credential(username="me", password="wrong", source="the command line")
        for credential in (wrong, None):
            expected = pytest.raises(Unauthorized) if switches else nullcontext()
            with person(r, credential).registry(r.host) as it, expected:
                it.sign_in()


# tokens


def test_one_token_serves_all_threads(tmp_path: Path) -> None:
    app = image(tmp_path / "app", *[1000] * 12)
    with registry(bearer=True) as r:
        person(r, user(r)).push(r.host, app)
        assert len(r.seen(part="/token")) == 1


@pytest.mark.parametrize(
    ("value", "bodies"), [("PATCH", 2), ("PUT", 1)], ids=["the body is sent again", "the put alone is sent again"]
)
def test_a_token_that_ends_in_an_upload_is_renewed(value: str, bodies: int, app: Image) -> None:
    with registry(token_expires_mid_upload=value) as r:
        person(r, user(r)).push(r.host, app, jobs=1)
        assert holds(r, app)
        assert len([q for q in r.seen("PATCH") if q.length == app.layer.size]) == bodies
        assert len(r.seen(part="/token")) == 2


def test_a_token_is_renewed_before_it_ends(app: Image) -> None:
    with registry(bearer=True) as r:
        someone = person(r, user(r))
        with someone.registry(r.host) as it:
            repository = it.repository(APP, push=True)
            repository.complete(app.root)
            someone.time.sleep(269)
            repository.complete(app.root)
            assert len(r.seen(part="/token")) == 1
            someone.time.sleep(2)
            repository.complete(app.root)
            assert len(r.seen(part="/token")) == 2
    assert 401 not in [q.status for q in r.seen("HEAD")]


def test_a_token_that_says_nothing_counts_for_a_minute(app: Image) -> None:
    with registry(access_token_only=True) as r:
        someone = person(r, user(r))
        with someone.registry(r.host) as it:
            for seconds, tokens in ((0, 1), (29, 1), (2, 2)):
                someone.time.sleep(seconds)
                it.repository(APP).complete(app.root)
                assert len(r.seen(part="/token")) == tokens


def test_push_is_asked_for_from_the_start(app: Image) -> None:
    with registry(pull_only_token=True) as r:
        person(r).push(r.host, app)
        assert holds(r, app)
        assert [parse_qs(q.query)["scope"] for q in r.seen(part="/token")] == [[f"repository:{APP}:push,pull"]]


def test_a_wider_scope_is_merged_and_asked_for_once(app: Image) -> None:
    with registry(insufficient_scope=True) as r:
        person(r, user(r)).push(r.host, app, jobs=1)
        assert holds(r, app)
        asked = [parse_qs(q.query)["scope"] for q in r.seen(part="/token")]
    assert asked == [[f"repository:{APP}:push,pull"], [f"repository:{APP}:push,pull,delete"]]


def test_a_scope_of_the_registrys_own_is_asked_for_as_it_is(app: Image) -> None:
    with registry(scope_aws=True) as r:
        person(r, user(r)).push(r.host, app)
        assert {parse_qs(q.query)["scope"][0] for q in r.seen(part="/token")} == {"aws"}


def test_an_identity_token_goes_by_post(app: Image) -> None:
    with registry(bearer=True) as r:
        person(r, token_user(r)).push(r.host, app)
        assert holds(r, app)
        assert [q.method for q in r.seen(part="/token")] == ["POST"]
        assert not any(r.identity in q.target for q in r.requests)


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_an_identity_token_that_is_refused_by_post_goes_by_get(status: int, app: Image) -> None:
    with registry(oauth_post_refused=status) as r:
        person(r, token_user(r)).push(r.host, app)
        assert holds(r, app)
        assert [q.method for q in r.seen(part="/token")] == ["POST", "GET"]


def test_a_registry_that_refuses_every_token_is_given_up_after_one_renewal(app: Image) -> None:
    with registry(always_401=True) as r:
        someone = person(r, user(r))
        with pytest.raises(Unauthorized, match="it does not take me from the test"):
            someone.push(r.host, app)
        assert len(r.seen("HEAD")) == 2
        assert len(r.seen(part="/token")) == 2
        assert someone.time.sleeps == []


def test_a_400_that_means_unauthorized_is_a_login_error(app: Image) -> None:
    with registry(unauthorized_400=True) as r:
        someone = person(r, user(r))
        with pytest.raises(Unauthorized, match="Nexus, switch on its Docker Bearer Token Realm"):
            someone.push(r.host, app)
        assert someone.time.sleeps == []


# realms


def test_a_realm_elsewhere_is_used_and_shown(app: Image) -> None:
    with registry(realm_foreign=True) as r:
        someone = person(r, user(r))
        someone.push(r.name, app)
        assert holds(r, app)
        assert {q.path for q in r.seen(origin="other")} == {"/token"}
    assert f"  tokens for {r.name} come from http://{r.other_name}/token" in someone.lines


def secrets_of(r: Registry) -> list[str]:
    return [q.headers["authorization"] for q in r.requests if "authorization" in q.headers]


@pytest.mark.parametrize(
    ("value", "options", "said"),
    [
        ("null", {}, "its realm 'null://null' is no http"),
        ("http", {"tls": True}, "is http, although the registry speaks https"),
        ("local", {}, "is an address of the local network; allow '127.0.0.1:"),
        ("https://169.254.169.254/token", {}, "is an address of the local network"),
        ("file:///etc/passwd", {}, "is no http"),
        ("https://u:p@registry.test/token", {}, "is no http"),
    ],
)
def test_a_bad_realm_gets_no_credentials(value: str, options: dict[str, Any], said: str, app: Image) -> None:
    with registry(realm_bad=value, **options) as r:
        with pytest.raises(RegistryError, match=said):
            person(r, user(r)).push(r.name, app)
        assert secrets_of(r) == []
        assert not r.seen(part="/token")


def test_a_realm_that_redirects_to_a_local_address_is_not_followed(app: Image) -> None:
    with registry(realm_bad="redirect") as r:
        with pytest.raises(RegistryError, match=r"cannot sign in to .* leads to 'http://127.*: an address of"):
            person(r, user(r)).push(r.name, app)
        assert not r.seen(origin="other")


def test_a_local_realm_that_was_allowed_is_used(app: Image) -> None:
    with registry(realm_bad="local") as r:
        person(r, user(r), realms=frozenset({r.other})).push(r.name, app)
        assert holds(r, app)


def test_a_token_without_end_is_refused_in_little_memory(app: Image) -> None:
    with registry(token_oversize=True) as r:
        someone = person(r, user(r))
        with someone.registry(r.host) as it:
            it._client.url("")  # imports what costs memory
            tracemalloc.start()
            with pytest.raises(RegistryError, match="more than 1048576 bytes"):
                it.repository(APP).complete(app.root)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < 8 << 20, "the server of the test counts too"
