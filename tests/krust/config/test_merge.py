from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from krust.config.layers import Layer, Raw, Said
from krust.config.merge import by_name, last
from krust.config.origin import Origin, Rank

_NAMES = st.sampled_from("abc")
_TEXTS = st.sampled_from("xyz")
_TABLES = st.one_of(st.none(), st.dictionaries(_NAMES, st.one_of(st.none(), _TEXTS)))


def layers_of(values: list[Raw]) -> list[Layer]:
    return [{"it": Said(raw, Origin(rank=Rank.FLAG, name=str(at)))} for at, raw in enumerate(values)]


@given(st.lists(_TABLES))
def test_each_name_of_a_table_has_the_last_text_since_all_was_taken_away(
    tables: list[dict[str, str | None] | None],
) -> None:
    found, cleared = by_name(layers_of(list(tables)), "it")
    since = max((at for at, table in enumerate(tables) if table is None), default=-1)
    expected = {}
    for at, table in enumerate(tables):
        if at > since and table is not None:
            expected.update({name: (text, str(at)) for name, text in table.items()})
    assert {name: (text, origin.name) for name, (text, origin) in found.items()} == expected
    assert (cleared.name if cleared else None) == (str(since) if since >= 0 else None)


@given(st.lists(_TABLES), st.integers(0, 5))
def test_a_layer_that_says_nothing_changes_nothing(tables: list[Raw], at: int) -> None:
    said = layers_of(tables)
    assert by_name([*said[:at], {}, *said[at:]], "it") == by_name(said, "it")


@given(st.lists(st.lists(_TEXTS)))
def test_a_list_is_the_last_one_whole(lists: list[list[str]]) -> None:
    found = last(layers_of(list(lists)), "it")
    assert (found.raw if found else None) == (lists[-1] if lists else None)
    assert last(layers_of(list(lists)), "other") is None
