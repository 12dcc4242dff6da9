"""Kernels that convert bytes to token ids.

Texts are UTF-8 in one array; document `d` is ``text[starts[d] : ends[d]]``. A table of tokens is
four arrays: ``store`` (the concatenated bytes of the tokens), ``bounds`` (the start of each token
in it), ``packs`` and ``slots`` (a hash table with open addressing, of packs and ids; a pack of 0 is
empty). The pack of a token of up to seven bytes consists of these bytes and their number. The pack
of a longer token is its hash, and such tokens are compared byte by byte. So two tokens never share
an id.
"""

import numpy as np

from sentiment.ngrams.compiling import kernel

# Kinds of characters, and kinds of bytes that need a closer look.
OTHER, WORD, MARK, JOINER, CLOSER_LOOK = 0, 1, 2, 3, 4
TAG_OR_OTHER, TAG_OR_WORD, WIDE = 4, 5, 6

_ONE, _EIGHT = np.uint64(1), np.uint64(8)
_EVERY, _LONG = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0xFF00000000000000)
_32 = np.uint64(32)
_LESS_THAN, _GREATER_THAN, _SLASH, _SPACE = 60, 62, 47, 32


@kernel
def _find_end_of_tag(text, start, end):
    """Return the end of the HTML tag ``</?[a-zA-Z][^<>]*>`` at `start`, or -1 if there is none."""
    i = start + 1
    if i < end and text[i] == _SLASH:
        i += 1
    if i >= end or not (97 <= (text[i] | 32) <= 122):
        return -1
    while i < end and text[i] != _LESS_THAN:
        if text[i] == _GREATER_THAN:
            return i + 1
        i += 1
    return -1


@kernel
def _decode(text, i):
    """Return the code point at `i` and the start of the next one."""
    lead = np.int32(text[i])
    if lead < 0x80:
        return lead, i + 1
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | text[i + 1] & 0x3F, i + 2
    middle = np.int32(text[i + 1] & 0x3F) << 6 | text[i + 2] & 0x3F
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | middle, i + 3
    return (lead & 0x07) << 18 | middle << 6 | text[i + 3] & 0x3F, i + 4


@kernel
def _look_closer(text, i, end, kind, wide_kinds, has_tags):
    """Return the kind of the character, or of the tag, at `i` and the start of the next one."""
    if kind == WIDE:
        point, following = _decode(text, i)
        return wide_kinds[point], following
    if has_tags:
        following = _find_end_of_tag(text, i, end)
        if following > 0:
            return np.uint8(OTHER), following
    return np.uint8(kind - TAG_OR_OTHER), i + 1


@kernel
def fill_slots(packs, size, secret, slots):
    """Insert the first `size` tokens into the empty `slots`."""
    mask = np.uint64(len(slots) - 1)
    for token in range(size):
        h = packs[token] * secret
        slot = (h ^ h >> _32) & mask
        while slots[slot, 0] != 0:
            slot = slot + _ONE & mask
        slots[slot, 0] = packs[token]
        slots[slot, 1] = token


@kernel
def tokenize(text, starts, ends, tags, position, last, kinds, wide_kinds, min_length, max_length,
             secret, frozen, slots, store, bounds, packs, token_count, ids, count,
             sizes):  # fmt: skip
    """Write the token ids of documents in order, until the table is full.

    Parameters
    ----------
    text, starts, ends : ndarray of uint8, of int64, of int64
        The documents.
    tags : ndarray of bool
        Whether HTML tags of a document are only separators of words.
    position, last : int
        The range of documents to process.
    kinds, wide_kinds : ndarray of uint8, of shape (256,) and (1114112,)
        The kinds of bytes and of code points.
    min_length, max_length : int
        Words with fewer characters are not tokens; words with more are truncated.
    secret : uint64
        Odd random number.
    frozen : bool
        Whether tokens that are not in the table get the id -1 instead of being added to it.
    slots, store, bounds, packs, token_count : ndarray, ndarray, ndarray, ndarray, int
        The table of tokens and the number of tokens in it.
    ids, count : ndarray of int32, int
        Output: the ids, in an array as large as the texts; the number of ids so far.
    sizes : ndarray of int64, of shape (n_documents,)
        Output: number of tokens of each document.

    Returns
    -------
    position, token_count, count : int
        The first document that is not processed, for lack of space, and the new sizes.
    """
    # Growing the table in here would triple the time, due to reference counting.
    mask = np.uint64(len(slots) - 1)
    for d in range(position, last):
        i, end, has_tags = starts[d], ends[d], tags[d]
        max_count = token_count + end - i  # a token has at least one byte
        if not frozen and (
            2 * max_count > len(slots)
            or max_count > len(packs)
            or max_count >= len(bounds)
            or bounds[token_count] + end - i > len(store)
        ):
            return d, token_count, count
        previous_count = count
        while i < end:
            kind, j = kinds[text[i]], i + 1
            if kind >= CLOSER_LOOK:
                kind, j = _look_closer(text, i, end, kind, wide_kinds, has_tags)
            if kind != WORD and kind != MARK:
                i = j
                continue
            chars, stop = 1, j
            while kind == WORD and j < end:
                kind, following = kinds[text[j]], j + 1
                if kind == JOINER and following < end:
                    kind, following = kinds[text[following]], following + 1
                    chars += 1
                if kind >= CLOSER_LOOK:
                    kind, following = _look_closer(
                        text, following - 1, end, kind, wide_kinds, has_tags
                    )
                if kind == WORD:
                    j = following
                    chars += 1
                    if chars <= max_length:
                        stop = j
            if chars < min_length:
                i = j
                continue
            length = stop - i
            # The secret keeps anybody from choosing tokens that collide.
            if length >= 8:
                h = secret
                for k in range(i, stop):
                    h = (h ^ np.uint64(text[k])) * secret
                pack = h >> _EIGHT | _LONG
            else:
                u = np.uint64(i)
                if i + 8 <= len(text):  # this compiles to a single load of eight bytes
                    pack = (
                        np.uint64(text[u])
                        | np.uint64(text[u + _ONE]) << np.uint64(8)
                        | np.uint64(text[u + np.uint64(2)]) << np.uint64(16)
                        | np.uint64(text[u + np.uint64(3)]) << np.uint64(24)
                        | np.uint64(text[u + np.uint64(4)]) << np.uint64(32)
                        | np.uint64(text[u + np.uint64(5)]) << np.uint64(40)
                        | np.uint64(text[u + np.uint64(6)]) << np.uint64(48)
                        | np.uint64(text[u + np.uint64(7)]) << np.uint64(56)
                    ) & _EVERY >> np.uint64(64 - 8 * length)
                else:
                    pack = np.uint64(0)
                    for k in range(length):
                        pack |= np.uint64(text[i + k]) << np.uint64(8 * k)
                pack |= np.uint64(length) << np.uint64(56)
            h = pack * secret
            slot = (h ^ h >> _32) & mask
            token = -1
            while slots[slot, 0] != 0:
                if slots[slot, 0] == pack:
                    candidate = np.int64(slots[slot, 1])
                    is_same = True
                    if length >= 8:
                        begin = bounds[candidate]
                        is_same = bounds[candidate + 1] - begin == length
                        k = 0
                        while is_same and k < length:
                            is_same = text[i + k] == store[begin + k]
                            k += 1
                    if is_same:
                        token = candidate
                        break
                slot = slot + _ONE & mask
            if token < 0 and not frozen:
                token = token_count
                for k in range(length):
                    store[bounds[token_count] + k] = text[i + k]
                bounds[token_count + 1] = bounds[token_count] + length
                packs[token_count] = pack
                slots[slot, 0] = pack
                slots[slot, 1] = token_count
                token_count += 1
            ids[count] = token
            count += 1
            i = j
        sizes[d] = count - previous_count
    return last, token_count, count


@kernel
def read_characters(text, starts, ends, tags, first, last, spaces, rare_spaces):
    """Return the code points of the documents from `first` to `last`.

    A run of white space of two characters or more becomes one space.

    Parameters
    ----------
    text, starts, ends : ndarray of uint8, of int64, of int64
        The documents.
    tags : ndarray of bool
        Whether HTML tags of a document are white space.
    spaces : ndarray of bool, of shape (1114112,)
        True for code points that are white space.
    rare_spaces : bool
        Whether a single white space character that is not a space, such as a tab, is unchanged.

    Returns
    -------
    points : ndarray of int32
        Code points of all documents, in order.
    sizes : ndarray of int64, of shape (last - first,)
        Number of characters of each document.
    """
    total = 0
    for d in range(first, last):
        total += ends[d] - starts[d]
    points = np.empty(total, np.int32)
    sizes = np.empty(last - first, np.int64)
    count = 0
    for d in range(first, last):
        i, end = starts[d], ends[d]
        previous_count, run = count, 0
        while i < end:
            following = -1
            if tags[d] and text[i] == _LESS_THAN:
                following = _find_end_of_tag(text, i, end)
            if following > 0:
                point = np.int32(_SPACE)
            else:
                point, following = _decode(text, i)
            i = following
            if not spaces[point]:
                run = 0
            else:
                run += 1
                if run > 1:
                    points[count - 1] = _SPACE
                    continue
                if not rare_spaces:
                    point = np.int32(_SPACE)
            points[count] = point
            count += 1
        sizes[d - first] = count - previous_count
    return points[:count].copy(), sizes
