"""From words to the decisions of a linear model, document by document and without a matrix.

The n-grams are nodes of a tree, words first; a longer one is found by its key, the node of all but
its last word, times 2**32, plus that word. A word is two numbers, its first eight bytes and the
next eight; of a longer one the second is a hash, and it is compared byte by byte. Loops that would
guess wrong every other time have no branches: they write what may be wanted and move on if it is.
"""

from typing import NamedTuple

import numpy as np

from sentiment.ngrams.compiling import kernel

# A word, or an n-gram, that is not in the tree.
UNKNOWN = -1
# What decisions are divided by: nothing, the sum of the features, the root of that of squares.
NOTHING, SUM, ROOT = 0, 1, 2

_ONE, _SEVEN, _32 = np.uint64(1), np.uint64(7), np.uint64(32)
# No UTF-8 has this byte, so that no word of up to 16 bytes looks like a longer one.
_LONG = np.uint64(0xFF00000000000000)


class Words(NamedTuple):
    """The words of a tree.

    Attributes
    ----------
    store, bounds : ndarray of uint8, of int64
        Their bytes one after the other, 16 more behind the last, and where each starts and ends.
    pairs : ndarray of uint64, of shape (n_words, 2)
        The two numbers of each word.
    slots : ndarray of uint32
        Open addressing, of a word plus one; zero is empty.
    secrets : ndarray of uint64, of shape (2,)
        Odd, so that nobody can choose words that collide.
    masks : ndarray of uint64, of shape (17, 2)
        Which bits of the two numbers belong to a word of so many bytes.
    skipped : int
        Words from this one on are skipped.
    """

    store: np.ndarray
    bounds: np.ndarray
    pairs: np.ndarray
    slots: np.ndarray
    secrets: np.ndarray
    masks: np.ndarray
    skipped: int


class Tree(NamedTuple):
    """Longer n-grams, and the weights of all.

    Attributes
    ----------
    keys : ndarray of uint64, of shape (n_keys,)
        The keys; that of node `i` is at the place `i` minus the number of words.
    slots : ndarray of uint32
        Open addressing, of the place of a key plus one; zero is empty.
    bloom_filter : ndarray of uint8
        A bit for each hash, zero if no key has it.
    secret : uint64
        Odd, so that nobody can choose n-grams that collide.
    longest : int
        The largest number of words of an n-gram.
    weights : ndarray of float64, of shape (n_nodes, 1 + n_decisions)
        What a node adds to the norm of a document, and to each decision.
    norm : int
        What decisions are divided by.
    """

    keys: np.ndarray
    slots: np.ndarray
    bloom_filter: np.ndarray
    secret: np.uint64
    longest: int
    weights: np.ndarray
    norm: int


@kernel
def _load(text, i):
    """Return the eight bytes at `i`; the compiler makes this one load."""
    u = np.uint64(i)
    return (
        np.uint64(text[u])
        | np.uint64(text[u + _ONE]) << np.uint64(8)
        | np.uint64(text[u + np.uint64(2)]) << np.uint64(16)
        | np.uint64(text[u + np.uint64(3)]) << np.uint64(24)
        | np.uint64(text[u + np.uint64(4)]) << np.uint64(32)
        | np.uint64(text[u + np.uint64(5)]) << np.uint64(40)
        | np.uint64(text[u + np.uint64(6)]) << np.uint64(48)
        | np.uint64(text[u + np.uint64(7)]) << np.uint64(56)
    )


@kernel
def _pair(text, start, length, words):
    """Return the two numbers of a word."""
    if length <= 16:
        size = np.uint64(length)
        return _load(text, start) & words.masks[size, 0], (
            _load(text, start + 8) & words.masks[size, 1]
        )
    h = words.secrets[0]
    for k in range(start, start + length):
        h = (h ^ np.uint64(text[k])) * words.secrets[1]
    return _load(text, start), h | _LONG


@kernel
def _find_shift(capacity):
    """Return how far a hash is shifted to be a place among 2**n."""
    shift = 64
    while capacity > 1:
        capacity >>= 1
        shift -= 1
    return np.uint64(shift)


@kernel
def fill_slots(words):
    """Write the pairs of the words, and enter these into the empty slots."""
    slots, secrets = words.slots, words.secrets
    shift, mask = _find_shift(len(slots)), np.uint64(len(slots) - 1)
    for word in range(len(words.pairs)):
        start = words.bounds[word]
        low, high = _pair(words.store, start, words.bounds[word + 1] - start, words)
        words.pairs[word, 0], words.pairs[word, 1] = low, high
        slot = low * secrets[0] + high * secrets[1] >> shift
        while slots[slot] != 0:
            slot = slot + _ONE & mask
        slots[slot] = word + 1


@kernel
def fill_tree(tree):
    """Enter the keys of a tree into its empty slots and Bloom filter."""
    keys, slots, bloom_filter = tree.keys, tree.slots, tree.bloom_filter
    shift, mask = _find_shift(len(slots)), np.uint64(len(slots) - 1)
    filter_shift = _find_shift(8 * len(bloom_filter))
    for k in range(len(keys)):
        bit = keys[k] * tree.secret >> filter_shift
        bloom_filter[bit >> np.uint64(3)] |= _ONE << (bit & _SEVEN)
        slot = keys[k] * tree.secret >> shift
        while slots[slot] != 0:
            slot = slot + _ONE & mask
        slots[slot] = k + 1


@kernel
def _is_same(lines, start, length, words, word):
    """Return whether a word is that of the table, byte by byte."""
    begin = words.bounds[word]
    if words.bounds[word + 1] - begin != length:
        return False
    for k in range(length):  # noqa: SIM110 - numba has no all()
        if lines[start + k] != words.store[begin + k]:
            return False
    return True


@kernel
def _look_up_words(lines, places, sizes, first, last, words, seeking, tokens):
    """Write the word at each place, or `UNKNOWN`; return how many are not skipped."""
    slots, pairs = words.slots, words.pairs
    shift, mask = _find_shift(len(slots)), np.uint64(len(slots) - 1)
    low_secret, high_secret = words.secrets[0], words.secrets[1]
    for k in range(first, last):
        low, high = _pair(lines, places[k], sizes[k], words)
        seeking[k - first, 0], seeking[k - first, 1] = low, high
        seeking[k - first, 2] = low * low_secret + high * high_secret >> shift
    count = 0
    for k in range(last - first):
        low, high, slot = seeking[k, 0], seeking[k, 1], seeking[k, 2]
        token = np.int64(UNKNOWN)
        while slots[slot] != 0:
            word = slots[slot] - np.uint32(1)
            if pairs[word, 0] == low and pairs[word, 1] == high:
                size = sizes[first + k]
                if size <= 16 or _is_same(lines, places[first + k], size, words, word):
                    token = np.int64(word)
                    break
            slot = slot + _ONE & mask
        tokens[count] = token
        count += token < words.skipped
    return count


@kernel
def _look_up_ngrams(tokens, count, n, n_words, tree, numbers, seeking, nodes, used):
    """Put the n-gram of each position in the place of the shorter one, and append those found."""
    keys, slots, bloom_filter, secret = tree.keys, tree.slots, tree.bloom_filter, tree.secret
    shift, mask = _find_shift(len(slots)), np.uint64(len(slots) - 1)
    filter_shift = _find_shift(8 * len(bloom_filter))
    lasts = tokens[n - 1 : count]
    candidates = 0
    for i in range(len(lasts)):
        prefix, token = np.int64(numbers[i]), np.int64(lasts[i])
        key = np.uint64(prefix) << _32 | np.uint64(token)
        bit = key * secret >> filter_shift
        seeking[candidates, 0], seeking[candidates, 1] = key, i
        numbers[i] = UNKNOWN
        held = np.int64(bloom_filter[bit >> np.uint64(3)] >> (bit & _SEVEN)) & 1
        candidates += held & ~((prefix | token) >> 63)
    for c in range(candidates):
        key = seeking[c, 0]
        slot = key * secret >> shift
        while slots[slot] != 0 and keys[slots[slot] - np.uint32(1)] != key:
            slot = slot + _ONE & mask
        if slots[slot] != 0:
            numbers[seeking[c, 1]] = nodes[used] = np.uint32(n_words) + slots[slot] - np.uint32(1)
            used += 1
    return used


@kernel
def _add_up(nodes, used, tree, values, counts, decisions):
    """Write the decisions of a document; `counts` are zero before and after."""
    weights = tree.weights
    for k in range(used):
        counts[nodes[k]] += np.uint32(1)
    decisions[:] = 0.0
    total, decision = 0.0, 0.0
    if len(decisions) == 1:
        for k in range(used):
            node = nodes[k]
            count = counts[node]
            counts[node] = 0  # the value of no count is zero, for the next time
            total += values[count, 0] * weights[node, 0]
            decision += values[count, 1] * weights[node, 1]
        decisions[0] = decision
    else:
        for k in range(used):
            node = nodes[k]
            count = counts[node]
            counts[node] = 0
            total += values[count, 0] * weights[node, 0]
            for m in range(len(decisions)):
                decisions[m] += values[count, 1] * weights[node, m + 1]
    if tree.norm != NOTHING and total > 0:
        decisions /= np.sqrt(total) if tree.norm == ROOT else total


@kernel
def compute_margins(lines, places, sizes, ends, words, tree, values, counts, out):
    """Write the decisions of documents.

    Parameters
    ----------
    lines, places, sizes : ndarray of uint8, of int32, of int32
        The tokens, from `sentiment.ngrams.kernels.spotting.find_tokens`.
    ends : ndarray of int64, of shape (n_documents,)
        How many tokens there are up to and with each document.
    words, tree : Words, Tree
        The n-grams.
    values : ndarray of float64, of shape (largest count + 1, 2)
        What counts, from zero, are worth for the norm, and for the decisions.
    counts : ndarray of uint32, of shape (n_nodes,)
        Zeros.
    out : ndarray of float64, of shape (n_documents, n_decisions)
        The decisions.
    """
    most, begin = 0, 0
    for end in ends:
        most = max(most, end - begin)
        begin = end
    tokens, numbers = np.empty(most, np.int32), np.empty(most, np.int32)
    nodes, seeking = np.empty(most * tree.longest, np.uint32), np.empty((most, 3), np.uint64)
    begin = 0
    for d in range(len(ends)):
        count = _look_up_words(lines, places, sizes, begin, ends[d], words, seeking, tokens)
        begin = ends[d]
        used = 0
        for i in range(count):
            numbers[i] = nodes[used] = tokens[i]
            used += tokens[i] >= 0
        for n in range(2, tree.longest + 1):
            used = _look_up_ngrams(
                tokens, count, n, len(words.pairs), tree, numbers, seeking, nodes, used
            )
        _add_up(nodes, used, tree, values, counts, out[d])
