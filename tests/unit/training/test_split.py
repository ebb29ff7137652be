"""Stratified splits: nothing lost, nothing twice, every class in both parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naslab.errors import DataError
from naslab.training.datasets import split_indices, subset_indices

label_lists = st.lists(st.integers(2, 30), min_size=2, max_size=12).map(
    lambda sizes: np.repeat(np.arange(len(sizes)), sizes)
)


@given(labels=label_lists, fraction=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_a_split_is_a_partition_with_every_class_in_both_parts(labels, fraction, seed):
    kept, held_out = split_indices(labels, fraction, seed)
    assert sorted([*kept, *held_out]) == list(range(len(labels)))
    assert set(labels[kept]) == set(labels[held_out]) == set(labels)


@given(labels=label_lists, share=st.floats(0, 1), seed=st.integers(0, 99))
def test_a_subset_has_the_size_asked_for_and_the_classes_in_proportion(labels, share, seed):
    classes, sizes = np.unique(labels, return_counts=True)
    count = int(classes.size + share * (labels.size - classes.size))
    chosen = subset_indices(labels, count, seed)
    assert len(set(chosen)) == count
    quota = np.bincount(labels[chosen])
    # one of each is owed to the smallest classes, so others may be short by as many images as there are classes
    assert np.all(np.abs(quota - sizes * count / labels.size) <= classes.size)
    assert quota.min() >= 1


def test_even_classes_are_split_exactly():
    labels = np.repeat(np.arange(10), 50)
    _, held_out = split_indices(labels, 0.2, seed=1)
    assert np.bincount(labels[held_out]).tolist() == [10] * 10


def test_the_split_is_a_function_of_the_seed():
    labels = np.repeat(np.arange(4), 25)
    first, again, other = (split_indices(labels, 0.2, seed)[1].tolist() for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_a_class_of_one_image_cannot_be_split():
    with pytest.raises(DataError, match="class 1 has 1 image"):
        split_indices(np.array([0, 0, 1]), 0.5, 0)


@pytest.mark.parametrize("count", [1, 7])
def test_a_subset_outside_the_possible_sizes_is_refused(count):
    with pytest.raises(DataError, match=r"must be 2 .one a class. to 6"):
        subset_indices(np.array([0, 0, 0, 1, 1, 1]), count, 0)
