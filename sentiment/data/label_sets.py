"""Label sets: the labels of a row in one string, and stratified splits of such rows."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse


def join_labels(labels: Iterable[str], separator: str) -> str:
    """Return a set of labels as one string: stripped, sorted and each once.

    Examples
    --------
    >>> join_labels(["refund", " late ", "refund"], ";")
    'late;refund'
    """
    return separator.join(sorted({label.strip() for label in labels} - {""}))


def split_labels(joined: str, separator: str) -> list[str]:
    """Return the labels of a set that `join_labels` made; empty for an empty string.

    Examples
    --------
    >>> split_labels("late;refund", ";"), split_labels("", ";")
    (['late', 'refund'], [])
    """
    return joined.split(separator) if joined else []


def sort_label_sets(labels: pd.Series, separator: str) -> pd.Series:
    """Return each of `labels` as `join_labels` writes it; missing ones stay missing."""
    made = {label: join_labels(label.split(separator), separator) for label in labels.dropna()}
    return labels.map(made).astype("str")


def rename_labels(labels: pd.Series, names: Mapping[str, str], separator: str | None) -> pd.Series:
    """Return labels, or label sets, with some labels renamed; the name "" removes a label."""
    if separator is None:
        return labels.map(lambda label: names.get(label, label)).astype("str")
    made = {
        joined: join_labels(
            [names.get(one, one) for one in split_labels(joined, separator)], separator
        )
        for joined in labels.unique()
    }
    return labels.map(made).astype("str")


def make_indicators(
    labels: Iterable[str], classes: Sequence[str], separator: str
) -> sparse.csr_matrix:
    """Return the indicator matrix of label sets.

    Parameters
    ----------
    labels : iterable of str, of length n
        Label sets, as `join_labels` writes them. Labels that are not in `classes` are ignored.
    classes : sequence of str
        All labels.
    separator : str
        Between the labels of a set.

    Returns
    -------
    sparse matrix of bool, of shape (n, n_classes)

    Examples
    --------
    >>> make_indicators(["b", "a;b", ""], ["a", "b"], ";").toarray().astype(int).tolist()
    [[0, 1], [1, 1], [0, 0]]
    """
    places = {label: k for k, label in enumerate(classes)}
    columns = [
        [places[label] for label in split_labels(joined, separator) if label in places]
        for joined in labels
    ]
    indptr = np.zeros(len(columns) + 1, np.int64)
    np.cumsum([len(row) for row in columns], out=indptr[1:])
    indices = np.array([place for row in columns for place in row], np.int64)
    ones = np.ones(len(indices), bool)
    return sparse.csr_matrix((ones, indices, indptr), shape=(len(columns), len(classes)))


def tabulate_label_sets(labels: Sequence[str] | np.ndarray, separator: str) -> pd.DataFrame:
    """Return a table of bool with a column for each label that occurs.

    Examples
    --------
    >>> tabulate_label_sets(["b", "a;b", ""], ";").astype(int).to_dict("list")
    {'a': [0, 1, 0], 'b': [1, 1, 0]}
    """
    known = list_labels(labels, separator)
    return pd.DataFrame(make_indicators(labels, known, separator).toarray(), columns=known)


def list_labels(labels: Iterable[str], separator: str) -> list[str]:
    """Return the labels that occur in any of the sets `labels`, sorted as texts."""
    return sorted({label for joined in set(labels) for label in split_labels(joined, separator)})


def stratify_sets(
    labels: Sequence[str], separator: str, shares: Mapping[str, float], seed: int
) -> np.ndarray:
    """Return a part for each row, such that each label is spread over the parts by their shares.

    Parameters
    ----------
    labels : sequence of str, of length n
        Label sets.
    separator : str
        Between the labels of a set.
    shares : mapping of str to float
        Parts and their shares of the rows, which add up to 1.
    seed : int
        Seed of the order of rows, and of parts that lack as much.

    Returns
    -------
    ndarray of str, of shape (n,)
    """
    known = list_labels(labels, separator)
    return stratify(make_indicators(labels, known, separator), shares, seed)


def stratify(indicators: sparse.csr_matrix, shares: Mapping[str, float], seed: int) -> np.ndarray:
    """Return a part for each row, such that each label is spread over the parts by their shares.

    The rows of the rarest label are assigned first, each to the part that lacks most rows of that
    label, then most rows at all: iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011,
    On the Stratification of Multi-Label Data, algorithm 1). Unlike there, a part asks for at least
    one row of each label, as long as there are as many rows as parts.

    Parameters
    ----------
    indicators : sparse matrix of shape (n, n_labels)
        Which labels each row has.
    shares : mapping of str to float
        Parts and their shares of the rows, which add up to 1.
    seed : int
        Seed of the order of rows, and of parts that lack as much.

    Returns
    -------
    ndarray of str, of shape (n,)
    """
    rng = np.random.default_rng(seed)
    names, share = list(shares), np.array(list(shares.values()))
    order = rng.permutation(indicators.shape[0])
    rows = sparse.csr_matrix(indicators[order])
    columns = sparse.csc_matrix(rows)
    left = np.diff(columns.indptr)
    wanted = np.array([_apportion(share, int(total)) for total in left]).reshape(-1, len(share)).T
    wanted_rows = share * len(order)
    parts = np.full(len(order), -1)

    def put(row: int, lacking: np.ndarray) -> None:
        most = np.flatnonzero(lacking == lacking.max())
        most = most[wanted_rows[most] == wanted_rows[most].max()]
        part = most[0] if len(most) == 1 else rng.choice(most)
        parts[row] = part
        labels = rows.indices[rows.indptr[row] : rows.indptr[row + 1]]
        wanted[part, labels] -= 1
        left[labels] -= 1
        wanted_rows[part] -= 1

    while left.any():
        label = int(np.argmin(np.where(left > 0, left, len(order) + 1)))
        for row in columns.indices[columns.indptr[label] : columns.indptr[label + 1]]:
            if parts[row] < 0:
                put(int(row), wanted[:, label])
    for row in np.flatnonzero(parts < 0):  # without any label
        put(int(row), wanted_rows)
    chosen = np.empty(len(order), dtype=object)
    chosen[order] = np.array(names, dtype=object)[parts]
    return chosen


def _apportion(share: np.ndarray, total: int) -> np.ndarray:
    """Return how many of `total` rows each part should get, at least one if possible."""
    wanted = share * total
    if total >= len(share):
        wanted = np.maximum(wanted, 1)
        wanted[np.argmax(wanted)] -= wanted.sum() - total
    return wanted
