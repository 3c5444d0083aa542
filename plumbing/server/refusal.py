"""Refusal: an answer that says no. distribution-spec 1.1, "Error Codes"."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from plumbing.errors import DigestMismatch, Malformed, NotFound, PlumbingError


class Refusal(Exception):
    """Raised by whoever finds the reason; becomes the answer in `answer`, and is none of krust's own errors."""

    def __init__(self, status: int, code: str, message: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(message))
        self.status = status
        self.code = code
        self.headers = headers


def blob_unknown(reason: NotFound | DigestMismatch) -> Refusal:
    """A blob of wrong bytes is as good as none: whoever has the right ones may push them, and that repairs it."""
    return Refusal(404, "BLOB_UNKNOWN", reason)


def manifest_unknown(reason: object) -> Refusal:
    return Refusal(404, "MANIFEST_UNKNOWN", reason)


def manifest_invalid(reason: Malformed) -> Refusal:
    return Refusal(400, "MANIFEST_INVALID", reason)


def manifest_blob_unknown(reason: NotFound) -> Refusal:
    return Refusal(404, "MANIFEST_BLOB_UNKNOWN", reason)


def digest_invalid(reason: object) -> Refusal:
    return Refusal(400, "DIGEST_INVALID", reason)


_OF_STATUS = {404: "NAME_UNKNOWN", 405: "UNSUPPORTED"}


async def answer(_: Request, error: Exception) -> Response:
    """The body of errors that the specification wants, for what was refused and what the store could not do."""
    match error:
        case Refusal():
            return _body(error.status, error.code, error, error.headers)
        case HTTPException():
            return _body(error.status_code, _OF_STATUS.get(error.status_code, "UNKNOWN"), error.detail, error.headers)
        case ClientDisconnect():
            return Response(status_code=400)  # nobody is there to read it
        case PlumbingError():
            return _body(500, "UNKNOWN", error, None)
    raise error


HANDLERS = dict.fromkeys((Refusal, HTTPException, ClientDisconnect, PlumbingError), answer)


def _body(status: int, code: str, message: object, headers: Mapping[str, str] | None) -> Response:
    return JSONResponse({"errors": [{"code": code, "message": str(message)}]}, status, headers)
