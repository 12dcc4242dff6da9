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
    """Return each of `labels` as `join_labels` formats it; missing ones stay missing."""
    names = {label: join_labels(label.split(separator), separator) for label in labels.dropna()}
    return labels.map(names).astype("str")


def rename_labels(labels: pd.Series, names: Mapping[str, str], separator: str | None) -> pd.Series:
    """Return labels, or label sets, with some labels renamed; the name "" removes a label."""
    if separator is None:
        return labels.map(lambda label: names.get(label, label)).astype("str")
    renamed = {
        joined: join_labels(
            [names.get(label, label) for label in split_labels(joined, separator)], separator
        )
        for joined in labels.unique()
    }
    return labels.map(renamed).astype("str")


def make_indicators(
    labels: Iterable[str], classes: Sequence[str], separator: str
) -> sparse.csr_matrix:
    """Return the indicator matrix of label sets.

    Parameters
    ----------
    labels : iterable of str, of length n
        Label sets, as `join_labels` formats them. Labels that are not in `classes` are ignored.
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
    codes = {label: k for k, label in enumerate(classes)}
    rows = [
        [codes[label] for label in split_labels(joined, separator) if label in codes]
        for joined in labels
    ]
    indptr = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=indptr[1:])
    indices = np.array([code for row in rows for code in row], np.int64)
    data = np.ones(len(indices), bool)
    return sparse.csr_matrix((data, indices, indptr), shape=(len(rows), len(classes)))


def tabulate_label_sets(labels: Sequence[str] | np.ndarray, separator: str) -> pd.DataFrame:
    """Return a table of bool with a column for each label that occurs.

    Examples
    --------
    >>> tabulate_label_sets(["b", "a;b", ""], ";").astype(int).to_dict("list")
    {'a': [0, 1, 0], 'b': [1, 1, 0]}
    """
    classes = list_labels(labels, separator)
    return pd.DataFrame(make_indicators(labels, classes, separator).toarray(), columns=classes)


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
        Seed of the order of rows, and of the choice among parts that need the same number.

    Returns
    -------
    ndarray of str, of shape (n,)
    """
    classes = list_labels(labels, separator)
    return stratify(make_indicators(labels, classes, separator), shares, seed)


def stratify(indicators: sparse.csr_matrix, shares: Mapping[str, float], seed: int) -> np.ndarray:
    """Return a part for each row, such that each label is spread over the parts by their shares.

    The rows of the rarest label are assigned first, each to the part that needs most rows of that
    label; ties go to the part that needs most rows in total. This is iterative stratification
    (Sechidis, Tsoumakas and Vlahavas 2011, On the Stratification of Multi-Label Data, algorithm 1),
    except that each part asks for at least one row of a label that has as many rows as there are
    parts.

    Parameters
    ----------
    indicators : sparse matrix of shape (n, n_labels)
        Which labels each row has.
    shares : mapping of str to float
        Parts and their shares of the rows, which add up to 1.
    seed : int
        Seed of the order of rows, and of the choice among parts that need the same number.

    Returns
    -------
    ndarray of str, of shape (n,)
    """
    rng = np.random.default_rng(seed)
    names, share = list(shares), np.array(list(shares.values()))
    order = rng.permutation(indicators.shape[0])
    rows = sparse.csr_matrix(indicators[order])
    columns = sparse.csc_matrix(rows)
    unassigned = np.diff(columns.indptr)
    quotas = [_apportion(share, int(total)) for total in unassigned]
    needed_by_label = np.array(quotas).reshape(-1, len(share)).T
    needed_rows = share * len(order)
    codes = np.full(len(order), -1)

    def assign(row: int, needed: np.ndarray) -> None:
        candidates = np.flatnonzero(needed == needed.max())
        candidates = candidates[needed_rows[candidates] == needed_rows[candidates].max()]
        part = candidates[0] if len(candidates) == 1 else rng.choice(candidates)
        codes[row] = part
        labels = rows.indices[rows.indptr[row] : rows.indptr[row + 1]]
        needed_by_label[part, labels] -= 1
        unassigned[labels] -= 1
        needed_rows[part] -= 1

    while unassigned.any():
        label = int(np.argmin(np.where(unassigned > 0, unassigned, len(order) + 1)))
        for row in columns.indices[columns.indptr[label] : columns.indptr[label + 1]]:
            if codes[row] < 0:
                assign(int(row), needed_by_label[:, label])
    for row in np.flatnonzero(codes < 0):  # rows without labels
        assign(int(row), needed_rows)
    parts = np.empty(len(order), dtype=object)
    parts[order] = np.array(names, dtype=object)[codes]
    return parts


def _apportion(share: np.ndarray, total: int) -> np.ndarray:
    """Return how many of `total` rows each part needs, at least one if possible."""
    needed = share * total
    if total >= len(share):
        needed = np.maximum(needed, 1)
        needed[np.argmax(needed)] -= needed.sum() - total
    return needed
