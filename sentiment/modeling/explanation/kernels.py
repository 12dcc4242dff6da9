"""Kernel of the explanation of rows."""

from sentiment.ngrams.compiling import kernel


@kernel
def find_strongest(indptr, indices, data, weights, codes, columns, values):
    """Find the features that contribute most to the class of each row, and most against it.

    Parameters
    ----------
    indptr, indices, data : ndarray
        Rows in CSR form, without duplicate entries.
    weights : ndarray of float64, of shape (n_classes, n_features)
        Weight of each feature for each class.
    codes : ndarray of int64, of shape (n_rows,)
        The class of each row.
    columns : ndarray of int64, of shape (2, k, n_rows)
        Output: features with a positive contribution, then features with a negative one, the
        strongest first; -1 if there are fewer than `k`.
    values : ndarray of float64, of shape (2, k, n_rows)
        Output: contributions of these features, 0 if there are fewer than `k`.
    """
    count = columns.shape[1]
    for row in range(len(codes)):
        for sign in range(2):
            for rank in range(count):
                columns[sign, rank, row] = -1
                values[sign, rank, row] = 0.0
        for j in range(indptr[row], indptr[row + 1]):
            value = data[j] * weights[codes[row], indices[j]]
            if value == 0.0:
                continue
            sign = 0 if value > 0 else 1
            rank = count
            while rank > 0 and abs(value) > abs(values[sign, rank - 1, row]):
                rank -= 1
            if rank == count:
                continue
            for lower in range(count - 1, rank, -1):
                columns[sign, lower, row] = columns[sign, lower - 1, row]
                values[sign, lower, row] = values[sign, lower - 1, row]
            columns[sign, rank, row] = indices[j]
            values[sign, rank, row] = value
