"""Upload: one blob into a repository. POST, one streamed PATCH, a PUT without a body. registries.md 1.2.

Where a step fails, `_Again` leads back to the POST; which failures do is the table in 1.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NoReturn
from urllib.parse import quote

from plumbing.errors import DigestMismatch, RegistryError
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.exchange import Source
from plumbing.registry import redirect, retry, scope
from plumbing.registry.client import Client
from plumbing.registry.fetch import PROGRESS
from plumbing.registry.message import Answer, Body, Lost, Raw, Request
from plumbing.registry.problem import Problem
from plumbing.registry.refusal import said

_CHUNK = 1 << 19  # bytes that are read at once: a part of what a processor has near it
_SMALLEST = 5 << 20  # bytes of a chunk of an upload, which ECR does not take smaller
_ACCEPTED = frozenset({201, 202, 204})
_CLOSED = frozenset({200, 201, 204})
_MONOLITHIC = frozenset({404, 405, 411, 416})
_LOST = ("BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID")
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})")
_NOT_KEPT = "does not have it, or not all of it"
_EMPTY = Raw(b"")
_OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a blob, from `start` to before `end`, read anew from `source` each time they are sent.

    The registry hashes them, and refuses what does not fit the digest of the PUT; once is enough.
    """

    source: Source
    blob: Descriptor
    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def __iter__(self) -> Iterator[bytes]:
        at = 0
        with self.source.open_unverified(self.blob) as stream:
            while at < self.end:
                data = stream.read(_CHUNK)
                if not data:
                    raise DigestMismatch(
                        self.blob.digest, f"{at} bytes, expected {self.blob.size}", where="what is sent"
                    )
                if at + len(data) > self.start:
                    yield data if self.start <= at and at + len(data) <= self.end else data[self._within(at)]
                at += len(data)
            if self.end == self.blob.size and stream.read(1):
                raise self._changed(f"more than {self.blob.size} bytes")

    def _within(self, at: int) -> slice:
        return slice(max(0, self.start - at), self.end - at)

    def _changed(self, found: str) -> DigestMismatch:
        return DigestMismatch(self.blob.digest, found, where="what is sent")


class _Again(Exception):
    """This try is over; the next one begins with a POST.

    lost, answer  what came instead of success; neither if a blob is not what was sent, whatever was answered
    once          names a reason that counts as no try the first time, such as a token that ran out
    """

    def __init__(self, *, lost: Lost | None = None, answer: Answer | None = None, once: str | None = None) -> None:
        super().__init__(str(lost) if lost is not None else said(answer) if answer is not None else _NOT_KEPT)
        self.lost = lost
        self.answer = answer
        self.once = once


class Upload:
    """Makes `blob` be in `repository`, whose registry `client` leads to.

    scopes  for push
    mount   a repository on the same registry that has the blob
    """

    def __init__(
        self,
        client: Client,
        repository: str,
        blob: Descriptor,
        source: Source,
        *,
        scopes: tuple[str, ...],
        mount: str | None = None,
    ) -> None:
        self._client = client
        self._repository = repository
        self._path = f"/v2/{repository}/blobs"
        self._blob = blob
        self._source = source
        self._scopes = scopes
        self._mount = mount
        self._doing = f"push '{blob.digest}' to '{client.host}/{repository}'"
        self._in_parts = False  # bytes went in more than one request, which some registries lose
        self._in_one = False  # they did, so never again
        self._smallest = _SMALLEST

    def run(self) -> None:
        """Raises RegistryError, Unauthorized, Missing, Unreachable, or what reading the source raises."""
        url = None
        if self._mount is not None and self._mount not in self._client.unmountable:
            url, mounted = self._try_mount(self._mount)
            if mounted:
                return
        attempt = 1
        excused: set[str] = set()
        while True:
            try:
                with self._client.gate.entered():
                    self._send(url or self._post())
                return
            except _Again as again:
                url = None
                if again.once is not None and again.once not in excused:
                    excused.add(again.once)
                    continue
                if attempt == retry.TRIES:
                    self._give_up(again, attempt)
                self._pause(again, attempt)
                attempt += 1

    def _send(self, url: str) -> None:
        self._in_parts = False
        if self._client.monolithic and self._blob.size:
            self._put(url, Part(self._source, self._blob, 0, self._blob.size))
            return
        if self._blob.size:  # ECR answers 500 to a PATCH without bytes
            size = self._chunk_size()
            url = self._patch(url) if self._in_one or self._blob.size <= size else self._patch_chunks(url, size)
        self._put(url, None)

    # POST

    def _try_mount(self, repository: str) -> tuple[str | None, bool]:
        """An upload that was opened instead, and whether the blob was mounted. A refusal is no fault.

        Nothing else is asked with the right to pull from there: where it is refused, all the rest still goes.
        """
        scopes = scope.of_repository(self._repository, push=True, mount=repository)
        query = f"?mount={quote(str(self._blob.digest), safe='')}&from={quote(repository, safe='')}"
        request = self._request("POST", self._client.url(f"{self._path}/uploads/{query}"), _EMPTY)
        try:
            answer = self._client.send(replace(request, scopes=scopes, repeatable=False))
        except Lost:
            return None, False
        except RegistryError:  # such as a token server's, which gives no token if it refuses a part of it
            self._client.unmountable.add(repository)
            return None, False
        with answer:
            return (self._location(answer) if answer.status == 202 else None), answer.status == 201

    def _post(self) -> str:
        request = self._request("POST", self._client.url(f"{self._path}/uploads/"), _EMPTY, tries=retry.TRIES)
        with self._client.ask(request, 202) as answer:
            url = self._location(answer)
            if url is None:
                host = self._client.host
                raise RegistryError(f"cannot {self._doing}: '{host}' says to go on, but not where", host=host)
            self._smallest = max(_SMALLEST, _number(answer.headers.get("oci-chunk-min-length")))
            return url

    # PATCH

    def _patch(self, url: str) -> str:
        """Send the blob in one request, and what a broken connection left in further ones; where to go on."""
        start = breaks = 0
        while True:
            try:
                answer = self._client.send(self._part(url, start, self._blob.size, ranged=start > 0))
            except Lost as lost:
                breaks += 1
                if lost.final or self._in_one or breaks == retry.TRIES:
                    raise _Again(lost=lost) from lost
                url, arrived = self._progress(url, lost)
                if arrived - start >= PROGRESS:
                    breaks = 1
                start = arrived
                if start == self._blob.size:
                    return url
                continue
            with answer:
                if answer.status not in _ACCEPTED:
                    self._patch_refused(url, answer, ranged=start > 0)
                self._client.streams = True
                return self._location(answer) or url

    def _progress(self, url: str, lost: Lost) -> tuple[str, int]:
        """Where to go on after a break, and how many bytes are there; raises _Again where the registry cannot say.

        distribution-spec 1.1, "Pushing a blob in chunks": GET of the upload.
        """
        self._client.pause(retry.back_off(1, self._client.clock), f"'{lost.host}' broke off: {lost}")
        try:
            answer = self._client.send(self._request("GET", url))
        except Lost as still:
            raise _Again(lost=still) from still
        with answer:
            location = self._location(answer)
            range_ = _RANGE.fullmatch(answer.headers.get("range") or "")
            says = answer.status == 204 or (400 <= answer.status < 500 and location is not None)
            # "0-0" is what distribution says of one byte and of none
            if not says or range_ is None or not 0 < int(range_[1]) < self._blob.size:
                raise _Again(lost=lost)
            self._in_parts = True
            return location or url, int(range_[1]) + 1

    def _patch_refused(self, url: str, answer: Answer, *, ranged: bool) -> NoReturn:
        problem = answer.problem or Problem()
        if answer.status == 401:
            raise _Again(answer=answer, once="token")  # it was renewed; the open upload may hold bytes
        if ranged and answer.status in (400, 405):
            raise _Again(answer=answer)
        known = problem.has(*_LOST, *retry.FINAL)
        if answer.status in _MONOLITHIC and not known and not self._client.streams:
            self._client.monolithic = True
            self._delete(url)
            raise _Again(answer=answer, once="PATCH")
        self._refused(url, answer)

    def _chunk_size(self) -> int:
        """Bytes of a request; all of the blob where nobody asked for chunks."""
        chunk = self._client.settings.chunk
        return self._blob.size if chunk is None else max(self._smallest, chunk)

    def _patch_chunks(self, url: str, size: int) -> str:
        """Send the blob in pieces, for a proxy that limits a body; where to go on. distribution-spec 1.1."""
        self._in_parts = True
        for start in range(0, self._blob.size, size):
            request = self._part(url, start, min(start + size, self._blob.size), ranged=True)
            try:
                answer = self._client.send(request)
            except Lost as lost:
                raise _Again(lost=lost) from lost
            with answer:
                if answer.status in (400, 405, 416):
                    self._in_one = True
                    self._delete(url)
                    raise _Again(answer=answer, once="chunks")
                if answer.status not in _ACCEPTED:
                    self._patch_refused(url, answer, ranged=True)
                url = self._location(answer) or url
        return url

    # PUT

    def _put(self, url: str, body: Part | None) -> None:
        """Close the upload, with `body` if nothing was sent before."""
        joint = "&" if "?" in url else "?"
        request = self._request("PUT", f"{url}{joint}digest={quote(str(self._blob.digest), safe='')}", body or _EMPTY)
        if body is not None:
            request = replace(request.having(**{"Content-Type": _OCTETS}), repeatable=False)
        try:
            answer = self._close(replace(request, silence=self._client.settings.commit))
        except Lost as lost:
            if self._is_there():
                return
            raise _Again(lost=lost) from lost
        with answer:
            if answer.status not in _CLOSED:
                if answer.status == 401 and body is not None:
                    raise _Again(answer=answer, once="token")
                self._refused(url, answer)
            if (answer.status != 201 or self._in_parts) and not self._is_there():
                self._in_one = True
                raise _Again(once="parts" if self._in_parts else None)

    def _close(self, request: Request) -> Answer:
        """The answer to the PUT; it is sent again where only the number of requests was wrong, and no body is lost."""
        answer = self._client.send(request)
        for _ in range(retry.TRIES - 1):
            if not request.repeatable or not retry.is_limit(answer.status, answer.problem or Problem()):
                break
            answer = self._client.send(request)  # which waits as long as the registry asked for
        return answer

    def _is_there(self) -> bool:
        """Whether the registry has what it was sent; where it knows no HEAD, by the head of a GET."""
        path = f"{self._path}/{self._blob.digest}"
        if is_there(self._client, path, self._blob.size, self._scopes, self._doing):
            return True
        return self._client.headless and is_there(
            self._client, path, self._blob.size, self._scopes, self._doing, method="GET"
        )

    # all

    def _refused(self, url: str, answer: Answer) -> NoReturn:
        """Raise what a refusal means: to begin again with a POST, or the error. The code is read before the status."""
        problem = answer.problem or Problem()
        if problem.has(*_LOST):
            self._client.gate.narrow()
        final = problem.has(*retry.FINAL) or answer.status == 413
        if not final and (problem.has(*_LOST) or answer.status in (404, 416) or retry.may_pass(answer.status, problem)):
            self._delete(url)
            raise _Again(answer=answer)
        self._client.refuse(self._doing, self._scopes, answer)

    def _delete(self, url: str) -> None:
        """Tell the registry that an upload is given up; whatever it says to that."""
        with suppress(Lost, RegistryError), self._client.send(self._request("DELETE", url)):
            pass

    def _pause(self, again: _Again, attempt: int) -> None:
        seconds = retry.back_off(attempt, self._client.clock)
        if again.answer is not None:
            seconds = self._client.delay(attempt, again.answer)
        self._client.pause(seconds, f"'{self._client.host}': {again}")

    def _give_up(self, again: _Again, attempt: int) -> NoReturn:
        if again.lost is not None:
            self._client.give_up(self._doing, again.lost, attempt)
        if again.answer is not None:
            self._client.refuse(self._doing, self._scopes, again.answer)
        host = self._client.host
        raise RegistryError(f"cannot {self._doing}: '{host}' took it and {again} ({attempt} tries)", host=host)

    def _location(self, answer: Answer) -> str | None:
        location = answer.headers.get("location")
        return None if location is None else redirect.target(answer, location, self._client.origin, self._doing)

    def _part(self, url: str, start: int, end: int, *, ranged: bool) -> Request:
        request = self._request("PATCH", url, Part(self._source, self._blob, start, end))
        headers = {"Content-Type": _OCTETS, **({"Content-Range": f"{start}-{end - 1}"} if ranged else {})}
        return replace(request.having(**headers), repeatable=False)

    def _request(self, method: str, url: str, body: Body | None = None, *, tries: int = 1) -> Request:
        return Request(method=method, url=url, doing=self._doing, body=body, scopes=self._scopes, tries=tries)


def is_there(
    client: Client, path: str, size: int, scopes: tuple[str, ...], doing: str, *, method: str = "HEAD"
) -> bool:
    """Whether the blob at `path` is there with `size` bytes. What is not allowed or not known counts as absent."""
    request = Request(method=method, url=client.url(path), doing=doing, scopes=scopes)
    with client.ask(request, 200, 403, 404, 405) as answer:
        client.headless = client.headless or (method == "HEAD" and answer.status == 405)
        return answer.status == 200 and answer.headers.length == size


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 12 else 0
