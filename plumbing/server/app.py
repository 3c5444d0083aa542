"""The registry's URLs. distribution-spec 1.1, "Endpoints"."""

from __future__ import annotations

from collections.abc import Collection

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from plumbing.server.blobs import Blob
from plumbing.server.guard import Guard
from plumbing.server.listings import Catalog, Referrers, Tags
from plumbing.server.manifests import Manifest
from plumbing.server.refusal import HANDLERS
from plumbing.server.registry import Registry
from plumbing.server.sessions import Sessions
from plumbing.server.uploads import Begin, Continue
from plumbing.store import Store


class Version(HTTPEndpoint):
    """/v2/: a registry is here. Old clients look for the header."""

    def get(self, request: Request) -> Response:
        return JSONResponse({}, headers={"Docker-Distribution-API-Version": "registry/2.0"})


_ROUTES = (
    ("/v2", Version),
    ("/v2/", Version),
    ("/v2/_catalog", Catalog),
    ("/v2/{name:path}/tags/list", Tags),
    ("/v2/{name:path}/referrers/{digest}", Referrers),
    ("/v2/{name:path}/manifests/{reference}", Manifest),
    ("/v2/{name:path}/blobs/uploads", Begin),
    ("/v2/{name:path}/blobs/uploads/", Begin),
    ("/v2/{name:path}/blobs/uploads/{id}", Continue),
    ("/v2/{name:path}/blobs/{digest}", Blob),
)


def application(store: Store, *, read_only: bool = False, hosts: Collection[str] = ()) -> Starlette:
    """An ASGI application that serves `store`, which other processes may use at the same time.

    read_only  answer 405 UNSUPPORTED to whatever would write
    hosts      names, without ports, that may be asked for besides those of loopback

    `app.state.registry.sessions.close()` deletes, in the end, what is left of uploads.
    """
    app = Starlette(
        routes=[Route(path, endpoint) for path, endpoint in _ROUTES],
        middleware=[Middleware(Guard, hosts=hosts, read_only=read_only)],
        exception_handlers=HANDLERS,
    )
    app.router.redirect_slashes = False
    app.state.registry = Registry(store, Sessions(store), read_only)
    return app
