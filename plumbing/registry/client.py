"""Client: the one way out to a registry. Each request goes through here: who we are, redirects, pauses, trying again.

registries.md 1.1 and section 2.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from plumbing.errors import RegistryError, Unreachable
from plumbing.registry import redirect, refusal, retry
from plumbing.registry.auth import Auth, Find
from plumbing.registry.message import Answer, Lost, NoTls, Request
from plumbing.registry.origin import Origin, is_loopback
from plumbing.registry.problem import READ, Problem, clean
from plumbing.registry.retry import Gate, Pace
from plumbing.registry.settings import Log, Settings, Warn

if TYPE_CHECKING:
    from plumbing.registry.transport import Transport

_REFUSED = 2
"""Tries where nobody listens on this machine: the port is wrong, or a server is about to start."""

_NOTICED = 5.0  # seconds of waiting from which a person wants to know why
_HUB = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}


class Client:
    """The way to `host`, which is connected to when the first request is sent. Safe to use from several threads.

    gate        how many uploads may be open at once
    monolithic  whether the registry was found to take no PATCH
    streams     whether it took one
    headless    whether it answered 405 to a HEAD
    unmountable  repositories from which we may mount nothing
    """

    def __init__(self, host: str, *, find: Find, settings: Settings, log: Log, warn: Warn) -> None:
        self.host = host
        self.settings = settings
        self.clock = settings.clock
        self.gate = Gate()
        self.monolithic = False
        self.streams = False
        self.headless = False
        self.unmountable: set[str] = set()
        self._find = find
        self._log: Log = lambda level, line: log(level, lambda: self._hidden(line()))
        self._warn: Warn = lambda text: warn(self._hidden(text))
        self._warned: set[str] = set()
        self._paces: dict[str, Pace] = {}
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._transport: Transport | None = None
        self._origin: Origin | None = None
        self._auth: Auth | None = None

    @property
    def origin(self) -> Origin:
        """Scheme, host and port, as they were found out."""
        self._open()
        assert self._origin is not None
        return self._origin

    @property
    def is_guarded(self) -> bool:
        """Whether the registry wants to know who asks."""
        return self._open().is_guarded

    def url(self, path: str) -> str:
        """The absolute URL of `path`, such as '/v2/'."""
        return f"{self.origin}{path}"

    def send(self, request: Request) -> Answer:
        """The answer to `request`, after redirects and as many tries as it may have.

        One of 400 and more has been read, and has a `problem`. Raises Unreachable, Unauthorized, RegistryError; for a
        request of one try Lost instead of Unreachable, so that its sender can do better than to send it again.
        """
        auth = self._open()
        if request.scopes is None or Origin.of(request.url) != self._origin:
            return self._retrying(self._exchange, request)
        return self._retrying(lambda request: self._authorized(auth, request), request)

    def ask(self, request: Request, *statuses: int) -> Answer:
        """As `send`; raises what an answer means that has none of `statuses`."""
        answer = self.send(request)
        if answer.status not in statuses:
            answer.close()
            self.refuse(request.doing, request.scopes, answer)
        return answer

    def refuse(self, doing: str, scopes: tuple[str, ...] | None, answer: Answer) -> NoReturn:
        """Raise what `answer`, to a request with these scopes, means for `doing`."""
        credential = self._auth.source(scopes or ()) if self._auth else None
        raise refusal.of(doing, answer, host=self.host, credential=credential)

    def give_up(self, doing: str, lost: Lost, tries: int) -> NoReturn:
        """Raise what to have no answer after some tries means."""
        often = f" ({tries} tries)" if tries > 1 else ""
        message = f"cannot {doing}: '{lost.host}' gave no answer: {clean(str(lost))}{often}"
        raise Unreachable(message, host=self.host) from lost

    def warn(self, text: str) -> None:
        """Show `text`, once."""
        with self._lock:
            if text in self._warned or len(self._warned) >= 100:
                return
            self._warned.add(text)
        self._warn(text)

    def close(self) -> None:
        """End all connections, and wake up who waits to try again."""
        self._closed.set()
        if self._transport is not None:
            self._transport.close()

    def _hidden(self, text: str) -> str:
        return self._auth.hide(text) if self._auth else text

    # who answers

    def _open(self) -> Auth:
        """Find out the scheme, and what the registry wants to see. distribution-spec 1.1, "Determining Support"."""
        with self._opening:
            if self._auth is None:
                from plumbing.registry.transport import Transport  # httpcore is felt, so only who asks a registry pays

                self._transport = self._transport or Transport(self.settings)
                self._auth = self._ping()
            return self._auth

    def _ping(self) -> Auth:
        origins = origins_of(self.host, self.settings)
        doing = f"reach '{self.host}'"
        attempt = 0
        while True:
            attempt += 1
            lost: Lost | None = None
            for origin in origins:
                self._origin = origin
                tries = 1 if len(origins) > 1 else retry.TRIES
                request = Request(method="GET", url=f"{origin}/v2/", doing=doing, tries=tries)
                try:
                    answer = self._retrying(self._exchange, request)
                except Lost as fault:
                    # what speaks TLS says nothing that http understands, and the other way round: the other one counts
                    lost = fault if lost is None or not isinstance(fault, NoTls) else lost
                    if fault.refused:
                        break
                    continue
                with answer:
                    if answer.status == 400 and origin is not origins[-1]:
                        continue  # or says, in plain text, that it wants TLS
                    return self._learned(origin, answer)
            assert lost is not None, "an answer of the last origin counts"
            refused = lost.refused and is_loopback(origins[0].host)
            if lost.final or attempt == (_REFUSED if refused else retry.TRIES):
                self.give_up(doing, lost, attempt)
            self.pause(retry.back_off(attempt, self.clock), f"'{lost.host}' gave no answer: {lost}")

    def _learned(self, origin: Origin, answer: Answer) -> Auth:
        auth = Auth(origin, self._find, now=self.clock.monotonic, allowed=self.settings.realms, log=self._log)
        if answer.status == 401:
            auth.learn(answer)
        return auth

    def _authorized(self, auth: Auth, request: Request) -> Answer:
        flow = auth.flow(request)
        step = next(flow)
        try:
            while True:
                step = flow.send(self._exchange(step) if step.tries == 1 else self._retrying(self._exchange, step))
        except StopIteration as stop:
            answer: Answer = stop.value
            return answer
        finally:
            flow.close()  # or a lock of the flow would outlive a fault

    # again

    def _retrying(self, exchange: Callable[[Request], Answer], request: Request) -> Answer:
        forbidden = False
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = exchange(request)
            except Lost as lost:
                if request.tries == 1:
                    raise
                if lost.final or attempt == request.tries:
                    self.give_up(request.doing, lost, attempt)
                self.pause(retry.back_off(attempt, self.clock), f"'{lost.host}' gave no answer: {lost}")
                continue
            problem = answer.problem
            if problem is None or attempt == request.tries:
                return answer
            if answer.status == 403 and problem == Problem() and request.method != "HEAD" and not forbidden:
                forbidden = True  # Docker Hub's, now and then, for no reason
            # codes are a registry's words; a token server, or a storage, is judged by its status
            elif not retry.may_pass(answer.status, problem if request.scopes is not None else Problem()):
                return answer
            self.pause(self.delay(attempt, answer), f"'{self.host}' said {refusal.said(answer)}")

    def delay(self, attempt: int, answer: Answer) -> float:
        """Seconds to wait before asking again, of which a pause of the whole host takes its share."""
        asked = retry.retry_after(answer.headers.get("retry-after"), self.clock)
        if answer.problem and retry.is_limit(answer.status, answer.problem):
            return 0.0  # `_exchange` has paused the host
        return retry.back_off(attempt, self.clock) if asked is None else asked

    def pause(self, seconds: float, why: str) -> None:
        """Wait, as a back-off between two tries."""
        self._log(1, lambda: f"  {clean(why)}; again in {seconds:.1f} s")
        if seconds >= _NOTICED:
            self.warn(f"{clean(why)}; trying again in {seconds:.0f} s")
        if seconds:
            self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds, self._closed)
        if self._closed.is_set():  # Ctrl-C, say: who would wait for two minutes to be told so
            raise RegistryError(f"cannot wait for '{self.host}': the command is over", host=self.host)

    def _pace(self, url: str) -> Pace:
        host = Origin.of(url).authority
        with self._lock:
            return self._paces.setdefault(host, Pace(self.clock, self._sleep))

    # one request

    def _exchange(self, request: Request) -> Answer:
        """One answer, at the end of redirects."""
        assert self._origin is not None
        for _ in range(redirect.MOST + 1):
            answer = self._one(request)
            if not redirect.is_redirect(answer):
                return answer
            answer.close()
            request = redirect.follow(request, answer, self._origin)
        raise RegistryError(
            f"cannot {request.doing}: '{Origin.of(request.url).authority}' redirects more than {redirect.MOST} times",
            host=self.host,
        )

    def _one(self, request: Request) -> Answer:
        assert self._transport is not None
        pace = self._pace(request.url)
        pace.wait()
        self._log_request(request)
        begun = self.clock.monotonic()
        try:
            answer = self._transport.send(request)
            if answer.status >= 400:
                answer.problem = self._problem(request, answer)
            elif request.method == "HEAD":
                answer.close()
            elif request.limit is not None:
                answer.body = answer.read(request.limit)
        except Lost as lost:
            said = clean(str(lost))
            self._log(1, lambda: f"< nothing: {said}")
            raise
        seconds = self.clock.monotonic() - begun
        self._log(1, lambda: f"< {refusal.said(answer)} ({seconds:.2f} s)")
        self._log_headers("<", list(answer.headers), request.url)
        for text in refusal.warnings(answer.headers.all("warning")):
            self.warn(f"'{self.host}' says: {text}")
        if answer.problem is not None and retry.is_limit(answer.status, answer.problem):
            seconds = pace.limit(retry.retry_after(answer.headers.get("retry-after"), self.clock))
            if seconds >= _NOTICED:
                self.warn(f"'{Origin.of(request.url).authority}' wants fewer requests; waiting {seconds:.0f} s")
        elif answer.status < 400:
            pace.success()
        return answer

    def _log_request(self, request: Request) -> None:
        length = f" ({request.body.length} bytes)" if request.body is not None else ""
        self._log(1, lambda: f"> {request.method} {redirect.shown_url(request.url)}{length}")
        self._log_headers(">", request.headers, request.url)

    def _log_headers(self, mark: str, fields: Mapping[str, str] | list[tuple[str, str]], base: str) -> None:
        if fields:  # all at once, or lines of another thread would come between
            self._log(2, lambda: "\n".join(f"{mark}   {line}" for line in redirect.shown_headers(fields, base)))

    def _problem(self, request: Request, answer: Answer) -> Problem:
        if request.method == "HEAD":
            answer.close()
            return Problem()
        try:
            problem = Problem.parse(answer.read(READ) or b"")
            return replace(problem, text=self._hidden(problem.text))
        except Lost:
            return Problem()  # an early answer to an upload often breaks off; its status came, and that is enough


def origins_of(host: str, settings: Settings) -> list[Origin]:
    """Where `host` (as in references) may answer, the first to be tried first. registries.md 1.2, step 2."""
    name = _HUB.get(host, host)
    secure = Origin.of(f"https://{name}")
    if {host, secure.host} & settings.plain_http:
        return [Origin.of(f"http://{name}")]
    if is_loopback(secure.host):
        # what is asked first is no secret, and most that listens here speaks plain http
        return [Origin.of(f"http://{name}"), secure]
    return [secure]
