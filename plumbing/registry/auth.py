"""Auth: who we are to one registry, as a generator of requests. It does no I/O: whoever runs it sends what it yields.

    flow = auth.flow(request)
    step = next(flow)                       # the request itself, or one for a token
    while True: step = flow.send(answer)    # until StopIteration, whose value is the answer to the request

registries.md, section 3; distribution, "Token Authentication Specification".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial

from plumbing.errors import RegistryError, Unauthorized
from plumbing.registry import challenge as challenges
from plumbing.registry import scope
from plumbing.registry.challenge import Challenge
from plumbing.registry.credential import Credential
from plumbing.registry.message import Answer, Request
from plumbing.registry.origin import Origin
from plumbing.registry.redirect import shown_url
from plumbing.registry.settings import Log
from plumbing.registry.token import Realm, Token, basic

Flow = Generator[Request, Answer, Answer]
Find = Callable[[str], Credential | None]
"""The credential for a repository ("" for none), looked up when a registry asks for one."""

_OAUTH_REFUSED = frozenset({400, 401, 404, 405})
_SHORTEST = 6
_MOST = 3  # with an old token, with one whose scope is too narrow, with the right one


class Auth:
    """What one registry was found to want, and the tokens that it was given. Safe to use from several threads.

    registry  the only origin that sees what `flow` adds
    find      see Find
    now       the monotonic clock
    allowed   see Realm.of
    """

    def __init__(
        self, registry: Origin, find: Find, *, now: Callable[[], float], allowed: frozenset[str], log: Log
    ) -> None:
        self._registry = registry
        self._find = find
        self._now = now
        self._allowed = allowed
        self._log = log
        self._challenge: Challenge | None = None
        self._realm: Realm | None = None
        self._scope: str | None = None  # what the registry wants instead of ours
        self._wider: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._tokens: dict[tuple[str, ...], Token] = {}
        self._credentials: dict[str, Credential | None] = {}
        self._used: dict[str, Credential | None] = {}  # what was refused too, for messages
        self._sent: frozenset[Credential | Token] = frozenset()
        self._lock = threading.Lock()  # one fetch at a time: the second thread finds the token of the first

    @property
    def is_guarded(self) -> bool:
        """Whether the registry was found to want a credential or a token."""
        return self._challenge is not None

    def learn(self, answer: Answer) -> None:
        """Take the challenge of an answer to `/v2/`. Raises RegistryError for a realm that krust does not go to."""
        if self._is_ours(answer):
            with self._lock:
                self._take(challenges.choose(challenges.parse(answer.headers.all("www-authenticate"))), answer)

    def flow(self, request: Request) -> Flow:
        """The request with what the registry wants to see, and again where that was too old or too little.

        Raises Unauthorized where a token is refused, RegistryError where a token server is none.
        """
        scopes = request.scopes or ()
        with self._lock:
            value = yield from self._authorization(scopes)
        answer = yield _with(request, value)
        for attempt in range(1, _MOST):
            if answer.status != 401 or not self._is_ours(answer):
                break
            with self._lock:
                news = self._refused(answer, scopes, value)
            if not request.repeatable or (attempt > 1 and not news):
                break
            with self._lock:
                another = yield from self._authorization(scopes)
            if another == value:
                break
            value = another
            answer = yield _with(request, value)
        return answer

    def source(self, scopes: tuple[str, ...]) -> str | None:
        """Where the credential came from that was used."""
        credential = self._used.get(_repository(scopes))
        return None if credential is None else str(credential)

    def hide(self, text: str) -> str:
        """`text`, which a server has written, without the secrets that were sent: some repeat what they were told."""
        for sent in self._sent:
            for secret in _secrets_of(sent):
                text = text.replace(secret, "***")
        return text

    def _is_ours(self, answer: Answer) -> bool:
        """Whether the registry itself said this: no storage that it leads to may choose who gets the password."""
        return Origin.of(answer.url) == self._registry

    # under the lock

    def _authorization(self, scopes: tuple[str, ...]) -> Generator[Request, Answer, str | None]:
        if self._challenge is None:
            return None
        wanted = self._wanted(scopes)
        token = self._tokens.get(wanted)
        if self._challenge.scheme == "bearer" and token is not None:
            if token.is_fresh(self._now()):
                return f"Bearer {token.text}"
            self._credentials.pop(_repository(scopes), None)  # what a helper said may be as old as the token
        credential = self._credential(scopes)
        if self._challenge.scheme == "basic":
            return None if credential is None else basic(credential)
        if credential is not None and credential.registry_token is not None:
            return f"Bearer {credential.registry_token}"
        token = self._tokens[wanted] = yield from self._fetch(wanted, credential)
        self._sent |= {token}
        return f"Bearer {token.text}"

    def _fetch(self, scopes: tuple[str, ...], credential: Credential | None) -> Generator[Request, Answer, Token]:
        assert self._realm is not None
        asked = partial(Token.parse, host=self._realm.origin.authority)
        if credential is not None and credential.identity_token is not None:
            now = self._now()
            answer = yield self._realm.post(scopes, credential.identity_token)
            if answer.status == 200:
                return asked(answer.body, now=now)
            if answer.status not in _OAUTH_REFUSED:
                raise self._no_token(answer, credential)
        now = self._now()
        answer = yield self._realm.get(scopes, credential)
        if answer.status != 200:
            raise self._no_token(answer, credential)
        return asked(answer.body, now=now)

    def _refused(self, answer: Answer, scopes: tuple[str, ...], value: str | None) -> bool:
        """Take what a 401 says, and forget what it refuses; whether what will be sent instead was never tried."""
        before = (self._challenge is None, self._wanted(scopes))
        token = self._tokens.get(before[1])
        if token is not None and value == f"Bearer {token.text}":
            del self._tokens[before[1]]  # unless another thread has renewed it already
        self._credentials.pop(_repository(scopes), None)
        challenge = challenges.choose(challenges.parse(answer.headers.all("www-authenticate")))
        self._take(challenge, answer)
        named = challenge.fields.get("scope", "").split() if challenge and challenge.scheme == "bearer" else []
        if named and all(map(scope.is_repository, named)):
            self._wider[scopes] = scope.merge(self._wider.get(scopes, scopes), named)
        return before != (self._challenge is None, self._wanted(scopes))

    def _take(self, challenge: Challenge | None, answer: Answer) -> None:
        if challenge is None:
            return
        if challenge.scheme == "bearer":
            realm = Realm.of(challenge, answer.url, self._registry, self._allowed)
            if realm != self._realm:
                self._log(1, lambda: f"  tokens for {self._registry.authority} come from {shown_url(realm.url)}")
            self._realm = realm
            named = challenge.fields.get("scope", "")
            if named and not any(map(scope.is_repository, named.split())):
                self._scope = named
        self._challenge = challenge

    def _wanted(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        return (self._scope,) if self._scope is not None else self._wider.get(scopes, scopes)

    def _credential(self, scopes: tuple[str, ...]) -> Credential | None:
        repository = _repository(scopes)
        if repository not in self._credentials:
            found = self._credentials[repository] = self._used[repository] = self._find(repository)
            self._sent |= {found} if found else set()
        return self._credentials[repository]

    def _no_token(self, answer: Answer, credential: Credential | None) -> RegistryError:
        host = self._registry.authority
        said = f"{answer.status}{f' {answer.problem}' if answer.problem and str(answer.problem) else ''}"
        server = Origin.of(answer.url).authority
        if answer.status not in (400, 401, 403):
            return RegistryError(
                f"cannot sign in to '{host}': '{server}', which gives out its tokens, said {said}",
                host=host,
                status=answer.status,
            )
        if credential is None:
            message = (
                f"not logged in to '{host}': '{server}' gives no token to strangers ({said}); try 'krust login {host}'"
            )
        else:
            message = (
                f"cannot sign in to '{host}' as {credential}: '{server}' said {said}; 'krust login {host}' replaces it"
            )
        return Unauthorized(message, host=host, status=answer.status)


def _with(request: Request, authorization: str | None) -> Request:
    request = replace(request, tries=1)  # trying again goes through `flow`, whose token may be another then
    return request if authorization is None else request.having(Authorization=authorization)


def _secrets_of(sent: Credential | Token) -> Iterator[str]:
    """As they are sent. A word of a few letters is left out: without it, half of a message would be gone."""
    if isinstance(sent, Token):
        secrets: tuple[str | None, ...] = (sent.text,)
    else:
        secrets = (sent.password, sent.identity_token, sent.registry_token, basic(sent).partition(" ")[2])
    return (secret for secret in secrets if secret and len(secret) >= _SHORTEST)


def _repository(scopes: tuple[str, ...]) -> str:
    first = scopes[0] if scopes else ""
    return first.removeprefix("repository:").rpartition(":")[0] if scope.is_repository(first) else ""
