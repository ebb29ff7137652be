"""Outcomes as numbers: those of one network share one, whatever form its identity has."""

from __future__ import annotations

from naslab.ledger.numbers import _network_numbers, places_of_texts


def test_networks_are_told_apart_by_their_identities() -> None:
    known: dict[str, int] = {}
    ids = ["00000000000000ff", "f000000000000001", "00000000000000ff"]
    found = _network_numbers(ids, known).tolist()
    assert found == [255, -(2**60) + 1, 255]
    assert known == {}
    assert _network_numbers(["older", "00000000000000ff", "older"], known).tolist() == [0, 1, 0]
    assert _network_numbers(["of sixteen signs", "older"], known).tolist() == [2, 0]


def test_places_of_texts_are_kept_from_group_to_group() -> None:
    known: dict[str, int] = {}
    assert places_of_texts(["a", "a"], known).tolist() == [0, 0]
    assert places_of_texts(["b", None, "a"], known).tolist() == [1, 2, 0]
    assert places_of_texts([None], known).tolist() == [2]
    assert known == {"a": 0, "b": 1, "": 2}
