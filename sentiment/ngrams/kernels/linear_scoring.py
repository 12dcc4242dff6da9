"""Kernels that compute the decisions of a linear model from words, without a matrix.

N-grams are nodes of a tree, words first. The key of a longer n-gram is the node of all but its last
word, times 2**32, plus that word. A word is a pair of numbers: its first eight bytes and the next
eight. For words of more than 16 bytes, the second number is a hash, and the words are compared byte
by byte. Loops whose branches would be mispredicted half of the time have no branches: they always
write a result, and advance only if it is used.
"""

from typing import NamedTuple

import numpy as np

from sentiment.ngrams.compiling import kernel

# A word, or an n-gram, that is not in the tree.
UNKNOWN = -1
# Norms that decisions are divided by: none, the sum of the features, the root of their squares.
NOTHING, SUM, ROOT = 0, 1, 2

_ONE, _SEVEN, _32 = np.uint64(1), np.uint64(7), np.uint64(32)
# No UTF-8 has this byte, so that no word of up to 16 bytes looks like a longer one.
_LONG = np.uint64(0xFF00000000000000)


class Words(NamedTuple):
    """The words of a tree.

    Attributes
    ----------
    store, bounds : ndarray of uint8, of int64
        Concatenated bytes of the words, followed by 16 more bytes, and the bounds of each word.
    pairs : ndarray of uint64, of shape (n_words, 2)
        The pair of numbers of each word.
    slots : ndarray of uint32
        Hash table with open addressing, of words plus one; 0 is empty.
    secrets : ndarray of uint64, of shape (2,)
        Odd random numbers, so that nobody can choose words that collide.
    masks : ndarray of uint64, of shape (17, 2)
        Bits of the pair that belong to a word, by its number of bytes.
    skipped : int
        The first of the words that are skipped; they are the last ones.
    """

    store: np.ndarray
    bounds: np.ndarray
    pairs: np.ndarray
    slots: np.ndarray
    secrets: np.ndarray
    masks: np.ndarray
    skipped: int


class Tree(NamedTuple):
    """N-grams of several words, and the weights of all n-grams.

    Attributes
    ----------
    keys : ndarray of uint64, of shape (n_keys,)
        Keys of the nodes after the words.
    slots : ndarray of uint32
        Hash table with open addressing, of indices of keys plus one; 0 is empty.
    bloom_filter : ndarray of uint8
        A bit for each hash, 0 if no key has it.
    secret : uint64
        Odd random number, so that nobody can choose n-grams that collide.
    longest : int
        Largest number of words of an n-gram.
    weights : ndarray of float64, of shape (n_nodes, 1 + n_decisions)
        Contribution of a node to the norm of a document, and to each decision.
    norm : int
        Norm that decisions are divided by.
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
    """Return the eight bytes at `i`; this compiles to a single load."""
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
def _make_pair(text, start, length, words):
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
    """Return the number of bits that a hash is shifted by to index `capacity`, a power of 2."""
    shift = 64
    while capacity > 1:
        capacity >>= 1
        shift -= 1
    return np.uint64(shift)


@kernel
def fill_slots(words):
    """Write the pairs of the words, and insert the words into the empty slots."""
    slots, secrets = words.slots, words.secrets
    shift, mask = _find_shift(len(slots)), np.uint64(len(slots) - 1)
    for word in range(len(words.pairs)):
        start = words.bounds[word]
        low, high = _make_pair(words.store, start, words.bounds[word + 1] - start, words)
        words.pairs[word, 0], words.pairs[word, 1] = low, high
        slot = low * secrets[0] + high * secrets[1] >> shift
        while slots[slot] != 0:
            slot = slot + _ONE & mask
        slots[slot] = word + 1


@kernel
def fill_tree(tree):
    """Insert the keys of a tree into its empty slots and Bloom filter."""
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
    """Return whether a word of a line equals a word of the table, byte by byte."""
    begin = words.bounds[word]
    if words.bounds[word + 1] - begin != length:
        return False
    for k in range(length):  # noqa: SIM110 - numba has no all()
        if lines[start + k] != words.store[begin + k]:
            return False
    return True


@kernel
def _look_up_words(lines, starts, sizes, first, last, words, queries, tokens):
    """Write the word of each token, or `UNKNOWN`; return the number of words not skipped."""
    slots, pairs = words.slots, words.pairs
    shift, mask = _find_shift(len(slots)), np.uint64(len(slots) - 1)
    low_secret, high_secret = words.secrets[0], words.secrets[1]
    for k in range(first, last):
        low, high = _make_pair(lines, starts[k], sizes[k], words)
        queries[k - first, 0], queries[k - first, 1] = low, high
        queries[k - first, 2] = low * low_secret + high * high_secret >> shift
    count = 0
    for k in range(last - first):
        low, high, slot = queries[k, 0], queries[k, 1], queries[k, 2]
        token = np.int64(UNKNOWN)
        while slots[slot] != 0:
            word = slots[slot] - np.uint32(1)
            if pairs[word, 0] == low and pairs[word, 1] == high:
                size = sizes[first + k]
                if size <= 16 or _is_same(lines, starts[first + k], size, words, word):
                    token = np.int64(word)
                    break
            slot = slot + _ONE & mask
        tokens[count] = token
        count += token < words.skipped
    return count


@kernel
def _look_up_ngrams(tokens, count, n, n_words, tree, numbers, queries, nodes, node_count):
    """Replace the n-gram at each position by the longer one; append known n-grams to `nodes`."""
    keys, slots, bloom_filter, secret = tree.keys, tree.slots, tree.bloom_filter, tree.secret
    shift, mask = _find_shift(len(slots)), np.uint64(len(slots) - 1)
    filter_shift = _find_shift(8 * len(bloom_filter))
    lasts = tokens[n - 1 : count]
    candidates = 0
    for i in range(len(lasts)):
        prefix, token = np.int64(numbers[i]), np.int64(lasts[i])
        key = np.uint64(prefix) << _32 | np.uint64(token)
        bit = key * secret >> filter_shift
        queries[candidates, 0], queries[candidates, 1] = key, i
        numbers[i] = UNKNOWN
        is_possible = np.int64(bloom_filter[bit >> np.uint64(3)] >> (bit & _SEVEN)) & 1
        candidates += is_possible & ~((prefix | token) >> 63)
    for c in range(candidates):
        key = queries[c, 0]
        slot = key * secret >> shift
        while slots[slot] != 0 and keys[slots[slot] - np.uint32(1)] != key:
            slot = slot + _ONE & mask
        if slots[slot] != 0:
            numbers[queries[c, 1]] = nodes[node_count] = (
                np.uint32(n_words) + slots[slot] - np.uint32(1)
            )
            node_count += 1
    return node_count


@kernel
def _sum_decisions(nodes, node_count, tree, values, counts, decisions):
    """Write the decisions of a document; `counts` are zero before and after."""
    weights = tree.weights
    for k in range(node_count):
        counts[nodes[k]] += np.uint32(1)
    decisions[:] = 0.0
    total, decision = 0.0, 0.0
    if len(decisions) == 1:
        for k in range(node_count):
            node = nodes[k]
            count = counts[node]
            counts[node] = 0  # a repeated node adds values[0], which is 0
            total += values[count, 0] * weights[node, 0]
            decision += values[count, 1] * weights[node, 1]
        decisions[0] = decision
    else:
        for k in range(node_count):
            node = nodes[k]
            count = counts[node]
            counts[node] = 0
            total += values[count, 0] * weights[node, 0]
            for m in range(len(decisions)):
                decisions[m] += values[count, 1] * weights[node, m + 1]
    if tree.norm != NOTHING and total > 0:
        decisions /= np.sqrt(total) if tree.norm == ROOT else total


@kernel
def compute_margins(lines, starts, sizes, ends, words, tree, values, counts, out):
    """Write the decisions of documents.

    Parameters
    ----------
    lines, starts, sizes : ndarray of uint8, of int32, of int32
        The tokens, from `sentiment.ngrams.kernels.spotting.find_tokens`.
    ends : ndarray of int64, of shape (n_documents,)
        Cumulative number of tokens of the documents.
    words, tree : Words, Tree
        The n-grams.
    values : ndarray of float64, of shape (largest count + 1, 2)
        Values of the counts from 0, for the norm and for the decisions.
    counts : ndarray of uint32, of shape (n_nodes,)
        Zeros.
    out : ndarray of float64, of shape (n_documents, n_decisions)
        Output: the decisions.
    """
    max_tokens, start = 0, 0
    for end in ends:
        max_tokens = max(max_tokens, end - start)
        start = end
    tokens, numbers = np.empty(max_tokens, np.int32), np.empty(max_tokens, np.int32)
    nodes, queries = (
        np.empty(max_tokens * tree.longest, np.uint32),
        np.empty((max_tokens, 3), np.uint64),
    )
    start = 0
    for d in range(len(ends)):
        count = _look_up_words(lines, starts, sizes, start, ends[d], words, queries, tokens)
        start = ends[d]
        node_count = 0
        for i in range(count):
            numbers[i] = nodes[node_count] = tokens[i]
            node_count += tokens[i] >= 0
        for n in range(2, tree.longest + 1):
            node_count = _look_up_ngrams(
                tokens, count, n, len(words.pairs), tree, numbers, queries, nodes, node_count
            )
        _sum_decisions(nodes, node_count, tree, values, counts, out[d])
