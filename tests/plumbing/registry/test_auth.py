"""The token dance, without a network: what `Auth.flow` asks for, given what it is answered."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest

from plumbing.errors import RegistryError, Unauthorized
from plumbing.registry import scope
from plumbing.registry.auth import Auth
from plumbing.registry.credential import Credential
from plumbing.registry.message import Answer, Headers, Request
from plumbing.registry.origin import Origin
from plumbing.registry.problem import Problem
from tests.secrets import secret
from tests.secrets.watch import saw

HOST = "https://registry.test"
REALM = "https://auth.test/token"
WORD = secret("the user of a token server")
SCOPES = scope.of_repository("team/app", push=True)
USER = Credential(username="me", password=f"{WORD}:word", source="the test")
BASIC = "Basic " + b64encode(f"me:{WORD}:word".encode()).decode()
IDENTITY = Credential(identity_token=WORD, source="the test")

Reply = Callable[[Request], Answer]


class Registry:
    """Answers requests by a script: a list of replies for the registry, and one for the token server."""

    def __init__(self, *replies: Answer, token: Reply | None = None, credential: Credential | None = None) -> None:
        self.now = 1000.0
        self.lines: list[str] = []
        self.auth = Auth(
            Origin.of(HOST),
            lambda repository: credential,
            now=lambda: self.now,
            allowed=frozenset(),
            log=self._hear,
        )
        self.sent: list[Request] = []
        self._replies = list(replies)
        self._token = token or tokens()

    def _hear(self, level: int, line: Callable[[], str]) -> None:
        self.lines.append(line())
        saw("log", self.lines[-1])

    @property
    def tokens(self) -> list[Request]:
        return [request for request in self.sent if not request.url.startswith(HOST)]

    def run(self, request: Request | None = None) -> Answer:
        flow = self.auth.flow(request or Request(method="GET", url=f"{HOST}/v2/team/app", doing="push", scopes=SCOPES))
        step = next(flow)
        while True:
            self.sent.append(step)
            mine = step.url.startswith(HOST)
            answer = (self._replies.pop(0) if self._replies else answered(200)) if mine else self._token(step)
            try:
                step = flow.send(answer)
            except StopIteration as stop:
                return cast(Answer, stop.value)


def answered(status: int, url: str = f"{HOST}/v2/", *, body: Any = None, **headers: str) -> Answer:
    answer = Answer(status, Headers((name.replace("_", "-"), value) for name, value in headers.items()), url)
    answer.body = None if body is None else json.dumps(body).encode()
    if status >= 400:
        answer.problem = Problem.parse(answer.body or b"")
    return answer


def bearer(realm: str = REALM, **fields: str) -> Answer:
    more = "".join(f',{name}="{value}"' for name, value in fields.items())
    return answered(401, WWW_Authenticate=f'Bearer realm="{realm}",service="registry.test"{more}')


def tokens(**fields: Any) -> Reply:
    count = iter(range(1, 100))
    return lambda request: answered(
        200, request.url, body={"token": f"token{next(count)}", "expires_in": 300, **fields}
    )


def query(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(request.url).query)


def test_without_a_challenge_nothing_is_added() -> None:
    registry = Registry(credential=USER)
    assert registry.run().status == 200
    assert "Authorization" not in registry.sent[0].headers


def test_a_token_is_asked_for_once_and_used_until_thirty_seconds_before_its_end() -> None:
    registry = Registry(credential=USER)
    registry.auth.learn(bearer())
    for now, used in ((1000, "token1"), (1269, "token1"), (1270, "token2"), (1300, "token2")):
        registry.now = now
        registry.run()
        assert registry.sent[-1].headers["Authorization"] == f"Bearer {used}"
    assert len(registry.tokens) == 2
    assert query(registry.tokens[0]) == [
        ("service", "registry.test"),
        ("scope", "repository:team/app:push,pull"),
        ("account", "me"),
        ("client_id", "krust"),
    ]
    assert registry.tokens[0].headers == {"Authorization": BASIC}


@pytest.mark.parametrize("seconds", [86400, 10**400, float("inf")])
def test_a_token_counts_for_a_day_at_most(seconds: float) -> None:
    body = {"token": "x", "expires_in": seconds}
    registry = Registry(token=lambda request: answered(200, request.url, body=body))
    registry.auth.learn(bearer())
    for later in (0, 86369, 86370):
        registry.now = 1000 + later
        registry.run()
        assert len(registry.tokens) == (1 if later < 86370 else 2)


@pytest.mark.parametrize(
    "fields", [{}, {"expires_in": 5}, {"expires_in": None}, {"expires_in": "300"}, {"expires_in": True}]
)
def test_a_token_counts_for_a_minute_at_least(fields: dict[str, Any]) -> None:
    registry = Registry(token=lambda request: answered(200, request.url, body={"access_token": "x", **fields}))
    registry.auth.learn(bearer())
    for later in (0, 29, 30):
        registry.now = 1000 + later
        registry.run()
        assert len(registry.tokens) == (1 if later < 30 else 2)


def test_a_challenge_that_comes_late_is_answered() -> None:
    registry = Registry(bearer(), credential=USER)
    assert registry.run().status == 200
    assert registry.sent[-1].headers["Authorization"] == "Bearer token1"


@pytest.mark.parametrize("challenge", ['Bearer realm="https://evil.test/token"', 'Basic realm="x"'])
def test_a_storage_to_which_the_registry_leads_does_not_choose_who_gets_the_password(challenge: str) -> None:
    elsewhere = answered(401, "https://files.test/x", WWW_Authenticate=challenge)
    registry = Registry(elsewhere, credential=USER)
    registry.auth.learn(bearer())
    registry.auth.learn(elsewhere)
    assert registry.run().status == 401
    assert registry.run().status == 200
    assert [request.url.partition("?")[0] for request in registry.tokens] == [REALM]
    assert [r.headers.get("Authorization") for r in registry.sent if r.url.startswith(HOST)] == ["Bearer token1"] * 2


def test_a_token_that_is_refused_is_renewed_once() -> None:
    registry = Registry(bearer(), bearer(), bearer(), credential=USER)
    registry.auth.learn(bearer())
    assert registry.run().status == 401
    assert [r.headers.get("Authorization") for r in registry.sent if r.url.startswith(HOST)] == [
        "Bearer token1",
        "Bearer token2",
    ]


def test_a_request_whose_body_may_have_been_taken_is_not_repeated_but_the_token_is_renewed() -> None:
    registry = Registry(bearer(), credential=USER)
    registry.auth.learn(bearer())
    patch = Request(method="PATCH", url=f"{HOST}/x", doing="push", scopes=SCOPES, repeatable=False)
    assert registry.run(patch).status == 401
    registry.run()
    assert registry.sent[-1].headers["Authorization"] == "Bearer token2"


def test_a_scope_that_is_too_narrow_is_widened_and_stays_wide() -> None:
    registry = Registry(bearer(scope="repository:team/app:pull,push,delete", error="insufficient_scope"))
    registry.auth.learn(bearer())
    assert registry.run().status == 200
    registry.run()
    assert [value for request in registry.tokens for name, value in query(request) if name == "scope"] == [
        "repository:team/app:push,pull",
        "repository:team/app:push,pull,delete",
    ]


def test_a_scope_of_another_kind_is_used_as_it_is() -> None:
    registry = Registry()
    registry.auth.learn(bearer(scope="aws"))
    registry.run()
    assert ("scope", "aws") in query(registry.tokens[0])


def test_a_scope_in_the_challenge_of_the_version_check_is_not_ours() -> None:
    registry = Registry()
    registry.auth.learn(bearer(scope="repository:user/image:pull"))
    registry.run()
    assert [value for name, value in query(registry.tokens[0]) if name == "scope"] == ["repository:team/app:push,pull"]


def test_the_scope_of_a_mount_comes_second() -> None:
    assert scope.of_repository("app", push=True, mount="base") == (
        "repository:app:push,pull",
        "repository:base:pull",
    )


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_an_identity_token_goes_by_post_and_where_that_is_refused_by_get(status: int) -> None:
    def token(request: Request) -> Answer:
        return answered(status, request.url) if request.method == "POST" else tokens()(request)

    registry = Registry(token=token, credential=IDENTITY)
    registry.auth.learn(bearer())
    assert registry.run().status == 200
    post, get = registry.tokens
    assert post.body is not None
    assert dict(parse_qsl(b"".join(map(bytes, post.body)).decode())) == {
        "grant_type": "refresh_token",
        "refresh_token": WORD,
        "service": "registry.test",
        "client_id": "krust",
        "scope": "repository:team/app:push,pull",
    }
    assert "Authorization" not in post.headers
    assert get.headers["Authorization"] == "Basic " + b64encode(f"<token>:{WORD}".encode()).decode()


def test_a_registry_token_is_sent_as_it_is() -> None:
    registry = Registry(credential=Credential(registry_token="given", source="the test"))
    registry.auth.learn(bearer())
    registry.run()
    assert registry.sent[-1].headers["Authorization"] == "Bearer given"
    assert registry.tokens == []


def test_basic_is_sent_with_every_request_and_not_repeated_where_it_is_refused() -> None:
    challenge = answered(401, WWW_Authenticate='Basic realm="x"')
    registry = Registry(answered(200), challenge, credential=USER)
    registry.auth.learn(challenge)
    assert [registry.run().status, registry.run().status] == [200, 401]
    assert len(registry.sent) == 2
    assert all(request.headers["Authorization"] == BASIC for request in registry.sent)
    assert registry.auth.source(SCOPES) == "me from the test"


def test_a_stranger_who_gets_no_token_is_told_to_log_in() -> None:
    registry = Registry(token=lambda request: answered(401, request.url, body={"details": "who are you"}))
    registry.auth.learn(bearer())
    with pytest.raises(
        Unauthorized, match=r"not logged in to 'registry.test': 'auth.test' .*who are you.*'krust login"
    ):
        registry.run()


def test_a_password_that_is_refused_names_its_source_and_not_itself() -> None:
    registry = Registry(token=lambda request: answered(403, request.url), credential=USER)
    registry.auth.learn(bearer())
    with pytest.raises(Unauthorized, match=r"cannot sign in to 'registry.test' as me from the test") as caught:
        registry.run()
    assert WORD not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "no token"),
        ({"token": 7}, "no token"),
        ({"token": "a b"}, "no token"),
        ({"token": "a\r\nX: y"}, "no token"),
        ([], "no JSON object"),
        (None, "more than"),
    ],
)
def test_an_answer_without_a_token_is_an_error(body: Any, said: str) -> None:
    registry = Registry(token=lambda request: answered(200, request.url, body=body))
    registry.auth.learn(bearer())
    with pytest.raises(RegistryError, match=f"cannot sign in: the answer of 'auth.test', .* has {said}"):
        registry.run()


@pytest.mark.parametrize(
    "realm",
    [
        "",
        "null://null",
        "ftp://auth.test/",
        "http://auth.test/token",
        "http://registry.test/token",
        "https://127.0.0.1/token",
        "https://localhost/token",
        "https://10.0.0.1:8443/token",
        "https://[::1]/token",
        "https://2130706433/",
        "https://me:pw@auth.test/token",
        "https://auth.test:port/",
    ],
)
def test_a_realm_that_should_get_no_secrets_gets_no_request(realm: str) -> None:
    registry = Registry(credential=USER)
    with pytest.raises(RegistryError, match=r"cannot sign in to 'registry.test': its realm '"):
        registry.auth.learn(bearer(realm))
    assert registry.sent == []


@pytest.mark.parametrize(
    ("host", "realm", "allowed", "good"),
    [
        ("https://registry.test", "/token", (), True),
        ("https://registry.test", "https://auth.elsewhere/t?x=1", (), True),
        ("https://10.0.0.1:5000", "https://10.0.0.1:5000/token", (), True),
        ("https://10.0.0.1:5000", "https://10.0.0.1/token", (), False),
        ("https://10.0.0.1:5000", "https://10.0.0.1/token", ("10.0.0.1",), True),
        ("https://registry.test", "https://10.0.0.1:8443/token", ("10.0.0.1:8443",), True),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", (), False),
        ("http://localhost:5000", "http://localhost:5001/token", (), True),
        ("http://registry.test", "http://auth.test/token", (), True),
    ],
)
def test_a_local_realm_is_the_registrys_own_or_was_allowed(
    host: str, realm: str, allowed: tuple[str, ...], good: bool
) -> None:
    auth = Auth(Origin.of(host), lambda _: None, now=lambda: 0, allowed=frozenset(allowed), log=lambda *_: None)
    challenge = answered(401, f"{host}/v2/", WWW_Authenticate=f'Bearer realm="{realm}"')
    if good:
        auth.learn(challenge)
    else:
        with pytest.raises(RegistryError, match="an address of the local network; allow '"):
            auth.learn(challenge)


def test_a_realm_elsewhere_is_shown() -> None:
    registry = Registry()
    registry.auth.learn(bearer("https://auth.test/token?secret=x"))
    assert registry.lines == ["  tokens for registry.test come from https://auth.test/token?secret=***"]


def test_a_token_shows_itself_nowhere() -> None:
    registry = Registry(credential=USER)
    registry.auth.learn(bearer())
    registry.run()
    assert "token1" not in repr(vars(registry.auth))


@pytest.mark.parametrize(
    ("scopes", "more", "merged"),
    [
        (("repository:a:pull",), ("repository:a:push",), ("repository:a:pull,push",)),
        (("repository:a:pull",), ("repository:b:pull",), ("repository:a:pull", "repository:b:pull")),
        ((), ("repository:h:5000/a:pull",), ("repository:h:5000/a:pull",)),
        (("registry:catalog:*",), ("registry:catalog:*",), ("registry:catalog:*",)),
    ],
)
def test_scopes_are_merged_in_their_order(
    scopes: tuple[str, ...], more: tuple[str, ...], merged: tuple[str, ...]
) -> None:
    assert scope.merge(scopes, more) == merged
