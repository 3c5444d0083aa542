"""Each fault of authentication is shown to plain httpx."""

from __future__ import annotations

import time
from typing import Any

import pytest

from plumbing.oci.digest import Digest
from tests.registry.faults.talk import BLOB, LAYER, talk


def test_bearer() -> None:
    with talk(bearer=True) as (r, c):
        refused = c.get("/v2/")
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith(f'Bearer realm="{r.url}/token",service=')
        assert c.log_in(r, auth=("me", "wrong")).status_code == 401
        c.use(c.log_in(r, "repository:app:pull"))
        assert c.get("/v2/").status_code == 200
        assert 'scope="repository:app:pull,push"' in c.begin().headers["WWW-Authenticate"]
        c.use(c.log_in(r))
        c.push()


def test_bearer_takes_identity_tokens() -> None:
    with talk(bearer=True) as (r, c):
        form = {
            "grant_type": "refresh_token",
            "refresh_token": r.identity,
            "service": "x",
            "scope": "repository:app:pull",
        }
        c.use(c.post("/token", data=form))
        assert c.head(BLOB).status_code == 404


def test_many_challenges() -> None:
    with talk(many_challenges=True) as (_, c):
        lines = c.get("/v2/").headers.get_list("WWW-Authenticate")
        assert len(lines) == 2
        assert "Negotiate" in lines[0]
        assert lines[1].startswith("bEARer realm=")


def test_basic_only() -> None:
    with talk(basic_only=True) as (r, c):
        assert c.get("/v2/").headers["WWW-Authenticate"].startswith("Basic ")
        assert c.get("/v2/", auth=(r.user, r.password)).status_code == 200


def test_anonymous_token() -> None:
    with talk(anonymous_token=True) as (r, c):
        assert c.begin().status_code == 401
        c.use(c.log_in(r, auth=None))
        c.push()


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_token_expires_mid_upload(method: str) -> None:
    with talk(token_expires_mid_upload=method) as (r, c):
        c.use(c.log_in(r))
        url = c.open()
        patched = c.patch(url, content=LAYER)
        if method == "PATCH":
            assert patched.status_code == 401
            c.use(c.log_in(r))
            assert c.get(url).headers["Range"] == "0-4999"
        else:
            assert c.finish(url, LAYER).status_code == 401
            c.use(c.log_in(r))
        assert c.finish(url, LAYER).status_code == 201


@pytest.mark.parametrize(("value", "wait"), [(("requests", 2), 0.0), (("seconds", 0.2), 0.3)])
def test_token_expires_mid_upload_by(value: Any, wait: float) -> None:
    with talk(token_expires_mid_upload=value) as (r, c):
        c.use(c.log_in(r))
        url = c.open()
        assert c.patch(url, content=b"x").status_code == 202
        time.sleep(wait)
        assert c.patch(url, content=b"x").status_code == 401


def test_access_token_only() -> None:
    with talk(access_token_only=True) as (r, c):
        assert c.log_in(r).json().keys() == {"access_token"}


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_oauth_post_refused(status: int) -> None:
    with talk(oauth_post_refused=status) as (r, c):
        assert c.post("/token", data={"grant_type": "refresh_token"}).status_code == status
        assert c.log_in(r, auth=("<token>", r.identity)).status_code == 200


def test_first_scope_only() -> None:
    with talk(first_scope_only=True) as (r, c):
        c.use(c.log_in(r, "repository:base:pull", "repository:app:pull,push"))
        assert c.begin().status_code == 401
        c.use(c.log_in(r, "repository:app:pull,push", "repository:base:pull"))
        assert c.begin().status_code == 202
        c.push()
        assert c.begin(f"?mount={Digest.of(LAYER)}&from=base").status_code == 202


def test_insufficient_scope() -> None:
    with talk(insufficient_scope=True) as (r, c):
        c.use(c.log_in(r))
        challenge = c.begin().headers["WWW-Authenticate"]
        assert 'scope="repository:app:pull,push,delete",error="insufficient_scope"' in challenge
        c.use(c.log_in(r, "repository:app:pull,push,delete"))
        c.push()


def test_scope_aws() -> None:
    with talk(scope_aws=True) as (r, c):
        c.use(c.log_in(r))
        assert 'scope="aws"' in c.begin().headers["WWW-Authenticate"]
        c.use(c.log_in(r, "aws"))
        c.push()


def test_pull_only_token() -> None:
    with talk(pull_only_token=True) as (r, c):
        assert 'scope="repository:app:pull"' in c.begin().headers["WWW-Authenticate"]
        c.use(c.log_in(r, "repository:app:pull", auth=None))
        refused = c.begin()
        assert (refused.status_code, "WWW-Authenticate" in refused.headers) == (401, False)
        c.use(c.log_in(r))
        c.push()


def test_always_401() -> None:
    with talk(always_401=True) as (r, c):
        c.use(c.log_in(r))
        assert c.get("/v2/").status_code == 401


def test_realm_foreign() -> None:
    with talk(realm_foreign=True, tls=True, name=True) as (r, c):
        assert f'realm="https://{r.other_name}/token"' in c.get("/v2/").headers["WWW-Authenticate"]
        answer = c.get(f"https://{r.other}/token", auth=(r.user, r.password))
        assert answer.json()["token"]
    with talk(realm_foreign="relative") as (_, c):
        assert 'realm="/token"' in c.get("/v2/").headers["WWW-Authenticate"]


@pytest.mark.parametrize("value", ["null", "http", "local", "redirect", "https://10.0.0.1/token"])
def test_realm_bad(value: str) -> None:
    with talk(realm_bad=value, tls=True, name=True) as (r, c):
        expected = {
            "null": "null://null",
            "http": f"http://plain.test:{r.ports['plain']}/token",
            "local": f"https://{r.other}/token",
            "redirect": f"https://{r.name}/token/moved",
        }
        assert f'realm="{expected.get(value, value)}"' in c.get("/v2/").headers["WWW-Authenticate"]
        assert c.get("/token/moved").headers["Location"] == f"https://{r.other}/token"


def test_token_oversize() -> None:
    with talk(token_oversize=True) as (_, c):
        size = 0
        with c.stream("GET", "/token") as response:
            for piece in response.iter_raw():
                size += len(piece)
                if size > 1 << 20:
                    break
        assert size > 1 << 20
