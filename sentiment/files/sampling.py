"""Random samples of inputs of any size."""

import numpy as np
import pyarrow as pa

# A sample may exceed its size by this share before it is cut.
_SLACK = 0.25


class Sampler:
    """A simple random sample, without replacement, of tables of any number of rows.

    Each row gets a random number, and the rows with the smallest numbers are kept.

    Parameters
    ----------
    size : int
        Number of rows of the sample.
    seed : int
        Seed of the random numbers.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size, self._rng = size, np.random.default_rng(seed)
        self._tables: list[pa.Table] = []
        self._keys = np.empty(0)
        self._limit = 1.0

    def add(self, table: pa.Table) -> None:
        """Add the rows of `table` to the population."""
        keys = self._rng.random(table.num_rows)
        is_kept = keys < self._limit
        if is_kept.any():
            self._tables.append(table if is_kept.all() else table.filter(pa.array(is_kept)))
            self._keys = np.append(self._keys, keys[is_kept])
        if len(self._keys) > self._size * (1 + _SLACK):
            self._cut()

    def finish(self) -> pa.Table | None:
        """Return the sample in the order of the rows; None if there were no rows."""
        if len(self._keys) > self._size:
            self._cut()
        return pa.concat_tables(self._tables) if len(self._keys) else None

    def _cut(self) -> None:
        kept_rows = np.sort(np.argpartition(self._keys, self._size - 1)[: self._size])
        self._tables = [pa.concat_tables(self._tables).take(pa.array(kept_rows))]
        self._keys = self._keys[kept_rows]
        self._limit = float(self._keys.max())
