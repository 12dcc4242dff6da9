"""N-grams as a tree of tokens, in numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sentiment.ngrams.alphabets import SECRET, Alphabet
from sentiment.ngrams.compiling import cut_ranges, run_threads
from sentiment.ngrams.kernels import ngrams

# A share of so many positions, of which one in four brings a new n-gram, has a table that fits
# into the cache of a core. There are no more shares than places in that cache to write to.
_SHARE = 2**16
_MOST_BITS = 10
# Keys of so many positions are held at once; to look at all shares again takes little beside them.
_AT_ONCE = 2**24


class _Share:
    """The n-grams of one order whose keys fall together."""

    def __init__(self, capacity: int) -> None:
        self.table = np.zeros((capacity, 2), np.uint64)
        self.keys = np.empty(capacity // 4 * 3, np.uint64)  # a fuller table is slow
        self.size = 0

    def make_room(self, bits: np.uint64) -> None:
        """Make room for twice as many n-grams."""
        wider = np.empty(2 * len(self.keys), np.uint64)
        wider[: self.size] = self.keys[: self.size]
        self.keys = wider
        self.table = np.zeros((2 * len(self.table), 2), np.uint64)
        ngrams.fill_table(self.keys, self.size, bits, SECRET, self.table)


class Order:
    """The n-grams of `n` tokens.

    Parameters
    ----------
    n : int
        2 or more.
    expected : int
        About how many positions are to be numbered.
    """

    def __init__(self, n: int, expected: int) -> None:
        self.n = n
        bits = min(_MOST_BITS, max(0, (expected // _SHARE).bit_length()))
        self.bits = np.uint64(bits)
        capacity = 1 << max(8, ((expected >> bits) // 4).bit_length())
        self.shares = [_Share(capacity) for _ in range(1 << bits)]

    @property
    def size(self) -> int:
        """All numbers are below."""
        return max(share.size for share in self.shares) * len(self.shares)

    def close(self) -> None:
        """Free the tables; from now on n-grams are neither numbered nor looked up here."""
        for share in self.shares:
            share.table = np.empty((0, 2), np.uint64)

    def keys(self) -> np.ndarray:
        """Return the key of each number; some numbers, with the key 0, are not taken."""
        keys = np.zeros(self.size, np.uint64)
        for part, share in enumerate(self.shares):
            keys[part :: len(self.shares)][: share.size] = share.keys[: share.size]
        return keys

    def number(
        self, prefixes: np.ndarray, tokens: np.ndarray, ends: np.ndarray, threads: int
    ) -> np.ndarray:
        """Return the number of the n-gram at each position, numbering new ones; -1 for none."""
        out = np.empty(len(tokens), np.int32)
        for first, last in cut_ranges(ends, 1 + len(tokens) // _AT_ONCE):
            self._number_part(prefixes, tokens, ends, first, last, threads, out)
        return out

    def _number_part(
        self, prefixes: np.ndarray, tokens: np.ndarray, ends: np.ndarray, begin: int, end: int,
        threads: int, out: np.ndarray,
    ) -> None:  # fmt: skip
        """Write the numbers of the n-grams of the documents from `begin` to `end` into `out`."""
        before = ends[begin - 1] if begin else 0
        ranges = [(begin + a, begin + b) for a, b in cut_ranges(ends[begin:end] - before, threads)]
        step = self.n - 1
        sizes = np.zeros((len(ranges), len(self.shares)), np.int64)
        run_threads(
            lambda first, last, size: ngrams.count_shares(
                prefixes, tokens, ends, step, first, last, self.bits, SECRET, size
            ),
            [(*found, sizes[k]) for k, found in enumerate(ranges)],
        )
        # Each share has its n-grams in the order of the documents.
        bounds = np.concatenate([[0], np.cumsum(sizes.T)])
        places = bounds[:-1].reshape(sizes.T.shape).T.copy()
        keys = np.empty(bounds[-1], np.uint64)
        positions = np.empty(bounds[-1], np.int32 if len(tokens) < 2**31 else np.int64)
        run_threads(
            lambda first, last, place: ngrams.scatter_keys(
                prefixes, tokens, ends, step, first, last, self.bits, SECRET,
                place, keys, positions, out,
            ),
            [(*found, places[k]) for k, found in enumerate(ranges)],
        )  # fmt: skip
        marks = bounds[:: len(ranges)]

        def number_some(some: range) -> None:
            for part in some:
                share, first = self.shares[part], marks[part]
                while True:
                    first, share.size = ngrams.number_share(
                        keys, positions, first, marks[part + 1], np.uint64(part), self.bits,
                        SECRET, share.table, share.keys, share.size, out,
                    )  # fmt: skip
                    if first == marks[part + 1]:
                        break
                    share.make_room(self.bits)

        run_threads(number_some, [(range(k, len(self.shares), threads),) for k in range(threads)])

    def look_up(
        self, prefixes: np.ndarray, tokens: np.ndarray, ends: np.ndarray, threads: int
    ) -> np.ndarray:
        """Return the number of the n-gram at each position, -1 where it has none."""
        out = np.empty(len(tokens), np.int32)
        (share,) = self.shares
        run_threads(
            lambda first, last: ngrams.look_up(
                prefixes, tokens, ends, self.n - 1, first, last, SECRET, share.table, out
            ),
            cut_ranges(ends, threads),
        )
        return out


class Trie:
    """All n-grams of an alphabet that were met, up to some order.

    Parameters
    ----------
    alphabet : Alphabet
        What they are made of.
    separator : str
        What stands between tokens when an n-gram is spelled.
    expected : int
        About how many positions are to be numbered; 0 if n-grams are to be looked up later.
    """

    def __init__(self, alphabet: Alphabet, separator: str, expected: int) -> None:
        self.alphabet = alphabet
        self.separator = separator
        self.orders: list[Order] = []
        self._expected = expected

    def describe(self) -> "Ngrams":
        """Return what the numbers stand for."""
        return Ngrams(self.alphabet, self.separator, [order.keys() for order in self.orders])

    def walk(
        self, tokens: np.ndarray, ends: np.ndarray, max_n: int, threads: int, *, frozen: bool
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each `n` up to `max_n` and the number of the n-gram at each position, or -1.

        It ends before an `n` of which no document has an n-gram.

        Parameters
        ----------
        tokens : ndarray of int32
            One document after the other.
        ends : ndarray of int64
            Where each document ends.
        max_n : int
            The largest number of tokens.
        threads : int
            Number of threads.
        frozen : bool
            Whether n-grams without a number have -1; else they get one.
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
        What they are made of.
    separator : str
        What stands between tokens when an n-gram is spelled.
    keys : list of ndarray of uint64
        For each order, from two tokens on, the key of each number: the number of the (n-1)-gram,
        times 2**32, plus the last token.
    """

    alphabet: Alphabet
    separator: str
    keys: Sequence[np.ndarray]

    def sizes(self) -> list[int]:
        """Return how many numbers each order has, from one token on."""
        return [self.alphabet.size, *map(len, self.keys)]

    def list_paths(self, n: int, numbers: np.ndarray) -> np.ndarray:
        """Return the tokens of n-grams, shape (len(numbers), n)."""
        paths = np.empty((len(numbers), n), np.int64)
        rest = numbers.astype(np.int64)
        for k in range(n - 1, 0, -1):
            pairs = self.keys[k - 1][rest]
            paths[:, k] = pairs & np.uint64(0xFFFFFFFF)
            rest = (pairs >> np.uint64(32)).astype(np.int64)
        paths[:, 0] = rest
        return paths
