"""Kernels that number n-grams of tokens.

The key of an n-gram is the id of its first n - 1 tokens and the id of its last one, so two n-grams
never share a key. Keys are partitioned into shares by their hash, and each share has its own table,
small enough for the cache of a core, so that memory is read and written sequentially. A table is an
array of shape (capacity, 2), of keys plus one (0 is empty) and their indices in the array of its
keys. An id is such an index times the number of shares, plus the share.
"""

import numpy as np

from sentiment.ngrams.compiling import kernel

_ONE = np.uint64(1)
_32 = np.uint64(32)
# Number of table entries that are requested before the first is used, so that they are loaded from
# memory in parallel.
_BATCH = 64


@kernel
def _hash(key, secret):
    h = (key ^ key >> _32) * secret
    return h ^ h >> _32


@kernel
def count_shares(prefixes, tokens, ends, step, first, last, bits, secret, sizes):
    """Add the number of n-grams of each share in some documents to `sizes`.

    The parameters are those of `scatter_keys`.
    """
    mask = (_ONE << bits) - _ONE
    for d in range(first, last):
        for i in range(ends[d - 1] if d > 0 else 0, ends[d] - step):
            prefix, token = prefixes[i], tokens[i + step]
            if prefix >= 0 and token >= 0:
                sizes[_hash(np.uint64(prefix) << _32 | np.uint64(token), secret) & mask] += 1


@kernel
def scatter_keys(
    prefixes, tokens, ends, step, first, last, bits, secret, next_keys, keys, positions, out
):
    """Write the keys of the n-grams of some documents, partitioned into shares.

    Parameters
    ----------
    prefixes : ndarray of int32, of shape (n_positions,)
        The id of the (n-1)-gram that starts at each position, -1 for none.
    tokens : ndarray of int32, of shape (n_positions,)
        The token at each position, -1 if it is in no n-gram.
    ends : ndarray of int64
        End of each document.
    step : int
        n - 1.
    first, last : int
        The range of documents to process.
    bits : uint64
        There are 2**bits shares.
    secret : uint64
        Odd random number.
    next_keys : ndarray of int64, of shape (n_shares,)
        Index of the next key of each share; advanced.
    keys, positions : ndarray of uint64, of int32 or int64
        Output: the key and the start of each n-gram.
    out : ndarray of int32, of shape (n_positions,)
        Output: -1 where no n-gram starts.
    """
    mask = (_ONE << bits) - _ONE
    for d in range(first, last):
        start = ends[d - 1] if d > 0 else 0
        for i in range(max(start, ends[d] - step), ends[d]):
            out[i] = -1
        for i in range(start, ends[d] - step):
            prefix, token = prefixes[i], tokens[i + step]
            if prefix < 0 or token < 0:
                out[i] = -1
                continue
            key = np.uint64(prefix) << _32 | np.uint64(token)
            share = _hash(key, secret) & mask
            keys[next_keys[share]] = key
            positions[next_keys[share]] = i
            next_keys[share] += 1


@kernel
def number_share(ngram_keys, positions, first, last, share, bits, secret, table, keys, size, out):
    """Write the ids of n-grams of one share into `out`, numbering new ones.

    Parameters
    ----------
    ngram_keys, positions : ndarray of uint64, of int32 or int64
        The key and the start of each n-gram, from `scatter_keys`.
    first, last : int
        The range of n-grams to process.
    share, bits, secret : uint64
        The index of the share among 2**bits shares; an odd random number.
    table, keys, size : ndarray, ndarray, int
        The table of the share and the number of keys in it.
    out : ndarray of int32, of shape (n_positions,)
        Output: the ids.

    Returns
    -------
    first, size : int
        The first n-gram that is not numbered because the table is full, and the new size.
    """
    mask = np.uint64(len(table) - 1)
    for k in range(first, last):
        key = ngram_keys[k]
        slot = _hash(key, secret) >> bits & mask
        while table[slot, 0] != 0 and table[slot, 0] != key + _ONE:
            slot = slot + _ONE & mask
        if table[slot, 0] == 0:
            if size >= len(keys):
                return k, size
            table[slot, 0] = key + _ONE
            table[slot, 1] = size
            keys[size] = key
            size += 1
        out[positions[k]] = (table[slot, 1] << bits) + share
    return last, size


@kernel
def fill_table(keys, size, bits, secret, table):
    """Insert the first `size` of the `keys` of a share into its empty `table`."""
    mask = np.uint64(len(table) - 1)
    for i in range(size):
        slot = _hash(keys[i], secret) >> bits & mask
        while table[slot, 0] != 0:
            slot = slot + _ONE & mask
        table[slot, 0] = keys[i] + _ONE
        table[slot, 1] = i


@kernel
def look_up(prefixes, tokens, ends, step, first, last, secret, table, out):
    """Write the id of the n-gram at each position of some documents into `out`, or -1.

    The parameters are those of `scatter_keys`; `table` is that of the only share.

    Returns
    -------
    uint64
        Of no use, except that the compiler cannot remove the early loads from the table.
    """
    mask = np.uint64(len(table) - 1)
    slots = np.empty(_BATCH, np.uint64)
    stored_keys = np.empty(_BATCH, np.uint64)
    positions = np.empty(_BATCH, np.int64)
    loaded = np.uint64(0)
    for d in range(first, last):
        i = ends[d - 1] if d > 0 else 0
        end = ends[d]
        while i < end:
            batch = 0
            while batch < _BATCH and i < end:
                if i >= end - step or prefixes[i] < 0 or tokens[i + step] < 0:
                    out[i] = -1
                else:
                    key = np.uint64(prefixes[i]) << _32 | np.uint64(tokens[i + step])
                    slots[batch] = _hash(key, secret) & mask
                    stored_keys[batch] = key + _ONE
                    positions[batch] = i
                    loaded ^= table[slots[batch], 0]
                    batch += 1
                i += 1
            for b in range(batch):
                slot = slots[b]
                while table[slot, 0] != 0 and table[slot, 0] != stored_keys[b]:
                    slot = slot + _ONE & mask
                out[positions[b]] = table[slot, 1] if table[slot, 0] != 0 else -1
    return loaded
