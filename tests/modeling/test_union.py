from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn import pipeline

from sentiment.modeling.estimators.union import FeatureUnion, make_union, stack_columns
from sentiment.modeling.model_files.converting import convert, make_sklearn_part
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer

TEXTS = ["a good film", "a bad film, really bad", "", "good good"]


@pytest.mark.slow
@given(
    widths=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    rows=st.integers(0, 6),
    seed=st.integers(0, 99),
    dtypes=st.lists(st.sampled_from([np.float64, np.float32, np.int64]), min_size=4, max_size=4),
)
def test_matrices_side_by_side_are_those_of_scipy(
    widths: list[int], rows: int, seed: int, dtypes: list[Any]
) -> None:
    rng = np.random.default_rng(seed)
    blocks = [
        sparse.random_array((rows, width), density=0.5, rng=rng, format="csr").astype(dtype)
        for width, dtype in zip(widths, dtypes, strict=False)
    ]
    stacked = stack_columns([sparse.csr_matrix(block) for block in blocks])
    expected = sparse.hstack(blocks, format="csr")
    assert stacked.dtype == expected.dtype
    assert stacked.shape == expected.shape
    np.testing.assert_array_equal(stacked.toarray(), expected.toarray())
    assert stacked.has_canonical_format


def test_columns_that_are_not_sorted_stay_as_they_are() -> None:
    block = sparse.csr_matrix((np.ones(2), [1, 0], [0, 2]), shape=(1, 2))
    stacked = stack_columns([block, block])
    assert stacked.indices.tolist() == [1, 0, 3, 2]
    assert not stacked.has_sorted_indices


@pytest.mark.parametrize("weights", [None, {"words": 0.5}])
def test_the_union_is_that_of_scikit_learn(weights: dict[str, float] | None) -> None:
    parts = {"words": TfidfVectorizer(), "letters": CountVectorizer(analyzer="char")}
    ours = make_union(parts, weights)
    theirs = pipeline.FeatureUnion(list(parts.items()), transformer_weights=weights)
    for matrix, expected in (
        (ours.fit_transform(TEXTS), theirs.fit_transform(TEXTS)),
        (ours.transform(TEXTS), theirs.transform(TEXTS)),
    ):
        assert type(matrix) is type(expected)
        assert (matrix != expected).nnz == 0
    assert ours.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()


def test_dense_parts_are_scikit_learns_work() -> None:
    union = FeatureUnion([("a", "passthrough"), ("b", "passthrough")])
    assert union.fit_transform(np.ones((2, 1))).tolist() == [[1, 1], [1, 1]]


def test_a_model_file_holds_scikit_learns_class() -> None:
    union = make_union({"words": TfidfVectorizer()}, {"words": 2.0}).fit(TEXTS)
    plain = convert(union, make_sklearn_part)
    assert type(plain) is pipeline.FeatureUnion
    assert plain.transformer_weights == {"words": 2.0}
    assert (plain.transform(TEXTS) != union.transform(TEXTS)).nnz == 0
