"""The loop over the features of rows: arrays in, arrays out."""

from sentiment.ngrams.compiling import kernel


@kernel
def find_strongest(indptr, indices, data, weights, codes, columns, values):
    """Find the features that add most to the class of each row, and those that take most away.

    Parameters
    ----------
    indptr, indices, data : ndarray
        Rows in compressed form; a feature stands in a row at most once.
    weights : ndarray of float64, of shape (n_classes, n_features)
        What a feature is multiplied by for each class.
    codes : ndarray of int64, of shape (n_rows,)
        The class of each row.
    columns : ndarray of int64, of shape (2, k, n_rows)
        Written: the features, the strongest first; -1 where there are no more. Those that add
        come first.
    values : ndarray of float64, of shape (2, k, n_rows)
        Written: what they add, 0 where there are no more.
    """
    most = columns.shape[1]
    for row in range(len(codes)):
        for side in range(2):
            for place in range(most):
                columns[side, place, row] = -1
                values[side, place, row] = 0.0
        for at in range(indptr[row], indptr[row + 1]):
            added = data[at] * weights[codes[row], indices[at]]
            if added == 0.0:
                continue
            side = 0 if added > 0 else 1
            place = most
            while place > 0 and abs(added) > abs(values[side, place - 1, row]):
                place -= 1
            if place == most:
                continue
            for behind in range(most - 1, place, -1):
                columns[side, behind, row] = columns[side, behind - 1, row]
                values[side, behind, row] = values[side, behind - 1, row]
            columns[side, place, row] = indices[at]
            values[side, place, row] = added
