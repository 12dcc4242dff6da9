"""Numbering of n-grams, as a tree of tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sentiment.ngrams.alphabets import SECRET, Alphabet
from sentiment.ngrams.compiling import run_threads, split_work
from sentiment.ngrams.kernels import ngrams

# Number of positions per share. If one in four has a new n-gram, the table of the share fits into
# the cache of a core. The number of shares is limited so that the cache can hold a line of each.
_SHARE = 2**16
_MAX_BITS = 10
# Number of positions whose keys are in memory at a time; visiting all shares for each such batch
# takes little time in comparison.
_BATCH = 2**24


class _Share:
    """The n-grams of one order whose keys are in the same share."""

    def __init__(self, capacity: int) -> None:
        self.table = np.zeros((capacity, 2), np.uint64)
        self.keys = np.empty(capacity // 4 * 3, np.uint64)  # a fuller table would be slow
        self.size = 0

    def grow(self, bits: np.uint64) -> None:
        """Double the capacity."""
        larger = np.empty(2 * len(self.keys), np.uint64)
        larger[: self.size] = self.keys[: self.size]
        self.keys = larger
        self.table = np.zeros((2 * len(self.table), 2), np.uint64)
        ngrams.fill_table(self.keys, self.size, bits, SECRET, self.table)


class Order:
    """The n-grams of `n` tokens.

    Parameters
    ----------
    n : int
        2 or more.
    expected : int
        Approximate number of positions to number.
    """

    def __init__(self, n: int, expected: int) -> None:
        self.n = n
        bits = min(_MAX_BITS, max(0, (expected // _SHARE).bit_length()))
        self.bits = np.uint64(bits)
        capacity = 1 << max(8, ((expected >> bits) // 4).bit_length())
        self.shares = [_Share(capacity) for _ in range(1 << bits)]

    @property
    def size(self) -> int:
        """Upper bound of the numbers, exclusive."""
        return max(share.size for share in self.shares) * len(self.shares)

    def close(self) -> None:
        """Free the tables; after this, n-grams can neither be numbered nor looked up."""
        for share in self.shares:
            share.table = np.empty((0, 2), np.uint64)

    def keys(self) -> np.ndarray:
        """Return the key of each number; unused numbers have the key 0."""
        keys = np.zeros(self.size, np.uint64)
        for k, share in enumerate(self.shares):
            keys[k :: len(self.shares)][: share.size] = share.keys[: share.size]
        return keys

    def number(
        self, prefixes: np.ndarray, tokens: np.ndarray, ends: np.ndarray, threads: int
    ) -> np.ndarray:
        """Return the number of the n-gram at each position, numbering new ones; -1 for none."""
        out = np.empty(len(tokens), np.int32)
        for first, last in split_work(ends, 1 + len(tokens) // _BATCH):
            self._number_range(prefixes, tokens, ends, first, last, threads, out)
        return out

    def _number_range(
        self, prefixes: np.ndarray, tokens: np.ndarray, ends: np.ndarray, begin: int, end: int,
        threads: int, out: np.ndarray,
    ) -> None:  # fmt: skip
        """Write the numbers of the n-grams of the documents from `begin` to `end` into `out`."""
        start = ends[begin - 1] if begin else 0
        ranges = [(begin + a, begin + b) for a, b in split_work(ends[begin:end] - start, threads)]
        step = self.n - 1
        sizes = np.zeros((len(ranges), len(self.shares)), np.int64)
        run_threads(
            lambda first, last, size: ngrams.count_shares(
                prefixes, tokens, ends, step, first, last, self.bits, SECRET, size
            ),
            [(*documents, sizes[k]) for k, documents in enumerate(ranges)],
        )
        # Each share has its n-grams in the order of the documents.
        bounds = np.concatenate([[0], np.cumsum(sizes.T)])
        next_keys = bounds[:-1].reshape(sizes.T.shape).T.copy()
        keys = np.empty(bounds[-1], np.uint64)
        positions = np.empty(bounds[-1], np.int32 if len(tokens) < 2**31 else np.int64)
        run_threads(
            lambda first, last, next_keys: ngrams.scatter_keys(
                prefixes, tokens, ends, step, first, last, self.bits, SECRET,
                next_keys, keys, positions, out,
            ),
            [(*documents, next_keys[k]) for k, documents in enumerate(ranges)],
        )  # fmt: skip
        share_bounds = bounds[:: len(ranges)]

        def number_shares(indices: range) -> None:
            for k in indices:
                share, first, last = self.shares[k], share_bounds[k], share_bounds[k + 1]
                while True:
                    first, share.size = ngrams.number_share(
                        keys, positions, first, last, np.uint64(k), self.bits,
                        SECRET, share.table, share.keys, share.size, out,
                    )  # fmt: skip
                    if first == last:
                        break
                    share.grow(self.bits)

        run_threads(number_shares, [(range(k, len(self.shares), threads),) for k in range(threads)])

    def look_up(
        self, prefixes: np.ndarray, tokens: np.ndarray, ends: np.ndarray, threads: int
    ) -> np.ndarray:
        """Return the number of the n-gram at each position, -1 for unknown n-grams."""
        out = np.empty(len(tokens), np.int32)
        (share,) = self.shares
        run_threads(
            lambda first, last: ngrams.look_up(
                prefixes, tokens, ends, self.n - 1, first, last, SECRET, share.table, out
            ),
            split_work(ends, threads),
        )
        return out


class Trie:
    """Numbers of the n-grams of an alphabet, up to some order.

    Parameters
    ----------
    alphabet : Alphabet
        Alphabet of the tokens.
    separator : str
        Separator of the tokens in the string of an n-gram.
    expected : int
        Approximate number of positions to number; 0 if n-grams are to be looked up later.
    """

    def __init__(self, alphabet: Alphabet, separator: str, expected: int) -> None:
        self.alphabet = alphabet
        self.separator = separator
        self.orders: list[Order] = []
        self._expected = expected

    def describe(self) -> "Ngrams":
        """Return the n-grams by number."""
        return Ngrams(self.alphabet, self.separator, [order.keys() for order in self.orders])

    def walk(
        self, tokens: np.ndarray, ends: np.ndarray, max_n: int, threads: int, *, frozen: bool
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each `n` up to `max_n` and the number of the n-gram at each position, or -1.

        It stops before the first `n` that is longer than all documents.

        Parameters
        ----------
        tokens : ndarray of int32
            Tokens of all documents, in order.
        ends : ndarray of int64
            End of each document.
        max_n : int
            The largest number of tokens.
        threads : int
            Number of threads.
        frozen : bool
            Whether unknown n-grams have -1 instead of getting a number.
        """
        numbers = tokens
        yield 1, numbers
        longest = int(np.diff(ends, prepend=0).max(initial=0))
        for n in range(2, min(max_n, longest) + 1):
            if frozen:
                if len(self.orders) < n - 1:
                    return
                numbers = self.orders[n - 2].look_up(numbers, tokens, ends, threads)
            else:
                if len(self.orders) < n - 1:
                    self.orders.append(Order(n, self._expected))
                numbers = self.orders[n - 2].number(numbers, tokens, ends, threads)
            yield n, numbers


@dataclass(frozen=True)
class Ngrams:
    """N-grams by their numbers.

    Attributes
    ----------
    alphabet : Alphabet
        Alphabet of the tokens.
    separator : str
        Separator of the tokens in the string of an n-gram.
    keys : list of ndarray of uint64
        For each order, from two tokens on, the key of each number: the number of the (n-1)-gram,
        times 2**32, plus the last token.
    """

    alphabet: Alphabet
    separator: str
    keys: Sequence[np.ndarray]

    def sizes(self) -> list[int]:
        """Return the number of n-grams of each order, from one token on."""
        return [self.alphabet.size, *map(len, self.keys)]

    def list_paths(self, n: int, numbers: np.ndarray) -> np.ndarray:
        """Return the tokens of n-grams, shape (len(numbers), n)."""
        paths = np.empty((len(numbers), n), np.int64)
        prefixes = numbers.astype(np.int64)
        for k in range(n - 1, 0, -1):
            keys = self.keys[k - 1][prefixes]
            paths[:, k] = keys & np.uint64(0xFFFFFFFF)
            prefixes = (keys >> np.uint64(32)).astype(np.int64)
        paths[:, 0] = prefixes
        return paths
