"""Switches that combine: a registry with several faults at once, and a person who goes on working with it.

Whatever is drawn, what was pushed is there, whole and under its tags, and is fetched again as it was.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from plumbing.errors import RegistryError
from plumbing.oci import mediatype
from plumbing.oci.manifest import Manifest
from tests.registry.faults import Registry, registry
from tests.registry.moves import APP, Image, Person, holds, image, index, person, user

# One of each group at most, as some faults are two answers to one question.
GROUPS: list[list[dict[str, Any]]] = [
    [{"location_state": True}, {"relative_location": True}, {"location_changes": True}, {"location_changes": "none"},
     {"location_cross_host": True}, {"wrong_path_301": True},
     *({"upload_redirect": (method, status)} for method in ("POST", "PATCH", "PUT") for status in (301, 308)),
     *({"upload_redirect": (method, 307, "other")} for method in ("POST", "PATCH", "PUT"))],
    [{"patch_unsupported": 405}, {"patch_unsupported": 404}, {"monolithic_put_301": True},
     {"content_range_refused": 400}, {"chunk_limits": (1, 1000)}, {"keeps_last_chunk": True}],
    [{"reset_mid_patch": 1000}, {"upload_lost_once": 404}, {"upload_lost_once": 400}, {"put_reset": True}],
    [{"odd_success": True}, {"odd_success": (204, 204, 202)}, {"mount_refused": 404}, {"blob_lost_once": True}],
    [{"head_403": True}, {"head_405": True}, {"head_wrong_size": True}],
    [{"retry_after_429": (5, 2)}, {"flaky": (503, 2)}, {"flaky": ("reset", 2)}, {"empty_403_once": True}],
    [{"bearer": True}, {"basic_only": True}, {"many_challenges": True}, {"scope_aws": True}, {"first_scope_only": True},
     {"token_expires_mid_upload": "PATCH"}, {"token_expires_mid_upload": "PUT"}, {"insufficient_scope": True},
     {"token_expires_mid_upload": ("requests", 5)}, {"realm_foreign": True}, {"access_token_only": True}],
    [{"redirect_blob_cross_host": True}, {"redirect_blob_relative": True}, {"redirect_head": True}],
    [{"short_read": (1000, 206)}, {"short_read": (1000, 200)}],
    [{"referrers_unsupported": 404}, {"subject_header_lie": True}, {"referrers_no_filter": True}],
    [{"plain_text_error": True}, {"warning_299": True}, {"list_max": 1000}, {"immutable_tags": True}],
]  # fmt: skip

# Where these meet, an error is right: each upload breaks and none can be found again; nothing can be confirmed; or what
# is wrong is not said.
HOPELESS = [
    *(("reset_mid_patch", other) for other in ("content_range_refused", "keeps_last_chunk", "chunk_limits",
                                               "location_changes", "upload_redirect")),
    *((one, "head_wrong_size") for one in ("odd_success", "reset_mid_patch", "keeps_last_chunk")),
    ("blob_lost_once", "plain_text_error"),
]  # fmt: skip

mixes = st.tuples(*(st.sampled_from([{}, *group]) for group in GROUPS)).map(
    lambda drawn: {name: value for switches in drawn for name, value in switches.items()}
)


@settings(max_examples=60, stateful_step_count=8, suppress_health_check=list(HealthCheck))
class Mixed(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="krust-mixed-")))
        self.r: Registry
        self.someone: Person
        self.hopeless = False
        self.fixed = False
        self.tags: dict[str, Image] = {}
        self.images: list[Image] = []

    @initialize(mix=mixes, chunk=st.sampled_from([None, None, 1]))
    def begin(self, mix: dict[str, Any], chunk: int | None) -> None:
        self.r = self.stack.enter_context(registry(**mix))
        self.someone = person(self.r, user(self.r), chunk=chunk)
        self.hopeless = any(one in mix and other in mix for one, other in HOPELESS)
        self.fixed = "immutable_tags" in mix

    @rule(seed=st.integers(0, 3), sizes=st.lists(st.sampled_from([0, 7, 999, 70_000]), min_size=1, max_size=3))
    def push_an_image(self, seed: int, sizes: list[int]) -> None:
        made = image(self.folder / f"image{len(self.images)}", *sizes, seed=seed)
        self.push(made, f"v{len(self.images)}")

    @rule(seed=st.integers(0, 3))
    def push_an_index(self, seed: int) -> None:
        self.push(index(self.folder / f"image{len(self.images)}", seed=seed), f"v{len(self.images)}")

    @precondition(lambda self: self.tags)
    @rule(data=st.data())
    def push_again(self, data: st.DataObject) -> None:
        tag = data.draw(st.sampled_from(sorted(self.tags)))
        self.push(self.tags[tag], tag)

    @precondition(lambda self: self.tags and not self.fixed)
    @rule(data=st.data())
    def move_a_tag(self, data: st.DataObject) -> None:
        tag = data.draw(st.sampled_from(sorted(self.tags)))
        self.push(data.draw(st.sampled_from(self.images)), tag)

    @precondition(lambda self: self.tags)
    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        tag = data.draw(st.sampled_from(sorted(self.tags)))
        with tempfile.TemporaryDirectory() as folder:
            fetched = self.someone.fetch(self.r.name, tag, Path(folder) / "store", jobs=1)
            assert fetched.root.digest == self.tags[tag].root.digest
            assert fetched.store.complete(fetched.root)

    @precondition(lambda self: self.tags)
    @rule(data=st.data())
    def refer(self, data: st.DataObject) -> None:
        made = self.tags[data.draw(st.sampled_from(sorted(self.tags)))]
        empty = made.store.put(b"{}", mediatype.EMPTY)
        raw = Manifest.of(empty, [empty], subject=made.root, artifact_type="application/vnd.x").raw
        signature = Image(made.store, made.store.put(raw, mediatype.MANIFEST))
        try:
            self.someone.push(self.r.name, signature, tags=(), jobs=1)
        except RegistryError:
            assert self.hopeless or self.fixed  # a list under a tag that may not move cannot grow
            return
        found = self.someone.ask(self.r.name, lambda it: list(it.referrers(made.root.digest)))
        assert signature.root.digest in [descriptor.digest for descriptor in found]

    def push(self, made: Image, tag: str) -> None:
        self.images.append(made)
        try:
            self.someone.push(self.r.name, made, tags=(tag,), jobs=1)
        except RegistryError as error:
            if not self.hopeless or error.host != self.r.name:
                raise
            return
        assert holds(self.r, made)
        self.tags[tag] = made

    @invariant()
    def each_tag_is_what_was_pushed_last(self) -> None:
        for tag, made in self.tags.items():
            ref = self.r.store.refs.get(f"{APP}:{tag}")
            assert ref is not None
            assert ref.digest == made.root.digest
            assert self.r.store.complete(made.root)

    @invariant()
    def no_secret_went_elsewhere_or_was_shown(self) -> None:
        if hasattr(self, "r"):
            others = [q for q in self.r.seen(origin="other") if not q.path.startswith("/token")]
            assert not any("authorization" in q.headers for q in others)
            assert self.r.password not in self.someone.said

    def teardown(self) -> None:
        self.stack.close()


TestMixed = pytest.mark.slow(Mixed.TestCase)
