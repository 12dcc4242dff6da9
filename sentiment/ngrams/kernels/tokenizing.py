"""From bytes to token ids.

Texts are UTF-8 in one array; document `d` is ``text[starts[d] : ends[d]]``. A table of tokens is
four arrays: ``store`` (the bytes of all tokens, one after the other), ``bounds`` (where each token
starts in it), ``packs`` and ``slots`` (open addressing, of packs and ids; a pack of zero is empty).
The pack of a token of up to seven bytes is those bytes and their number; that of a longer one is
its hash, and such tokens are then compared byte by byte. So two tokens never share an id.
"""

import numpy as np

from sentiment.ngrams.compiling import kernel

# Kinds of characters. The last two are those of bytes that need a closer look.
OTHER, WORD, MARK, JOINER, CLOSER_LOOK = 0, 1, 2, 3, 4
TAG_OR_OTHER, TAG_OR_WORD, WIDE = 4, 5, 6

_ONE, _EIGHT = np.uint64(1), np.uint64(8)
_EVERY, _LONG = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0xFF00000000000000)
_32 = np.uint64(32)
_LESS_THAN, _GREATER_THAN, _SLASH, _SPACE = 60, 62, 47, 32


@kernel
def _find_end_of_tag(text, start, end):
    """Return where the HTML tag ``</?[a-zA-Z][^<>]*>`` at `start` ends, or -1 if there is none."""
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
    """Return the code point at `i` and where the next one starts."""
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
    """Return the kind of the character, or of the tag, at `i` and where the next one starts."""
    if kind == WIDE:
        point, after = _decode(text, i)
        return wide_kinds[point], after
    if has_tags:
        after = _find_end_of_tag(text, i, end)
        if after > 0:
            return np.uint8(OTHER), after
    return np.uint8(kind - TAG_OR_OTHER), i + 1


@kernel
def fill_slots(packs, size, secret, slots):
    """Enter the first `size` tokens into the empty `slots`."""
    mask = np.uint64(len(slots) - 1)
    for token in range(size):
        h = packs[token] * secret
        slot = (h ^ h >> _32) & mask
        while slots[slot, 0] != 0:
            slot = slot + _ONE & mask
        slots[slot, 0] = packs[token]
        slots[slot, 1] = token


@kernel
def tokenize(text, starts, ends, tags, position, last, kinds, wide_kinds, least, most, secret,
             frozen, slots, store, bounds, packs, known, ids, count, sizes):  # fmt: skip
    """Write the token ids of documents one after the other, until the table is full.

    Parameters
    ----------
    text, starts, ends : ndarray of uint8, of int64, of int64
        The documents.
    tags : ndarray of bool
        Whether HTML tags of a document separate words and are nothing else.
    position, last : int
        The documents to do.
    kinds, wide_kinds : ndarray of uint8, of shape (256,) and (1114112,)
        The kinds of bytes and of code points.
    least, most : int
        Words with fewer characters are not tokens, and those with more are cut.
    secret : uint64
        Odd.
    frozen : bool
        Whether tokens that are not in the table are -1; else they are added to it.
    slots, store, bounds, packs, known : ndarray, ndarray, ndarray, ndarray, int
        The table of tokens and the number of tokens in it.
    ids, count : ndarray of int32, int
        The ids and how many of them there are already; one place for each byte is enough.
    sizes : ndarray of int64, of shape (n_documents,)
        Number of tokens of each document, which is written.

    Returns
    -------
    position, known, count : int
        The first document that is not done, for lack of space, and the new sizes.
    """
    # A table that grew in here would cost three times the time, in counted references.
    mask = np.uint64(len(slots) - 1)
    for d in range(position, last):
        i, end, has_tags = starts[d], ends[d], tags[d]
        room = known + end - i  # a token has at least one byte
        if not frozen and (
            2 * room > len(slots)
            or room > len(packs)
            or room >= len(bounds)
            or bounds[known] + end - i > len(store)
        ):
            return d, known, count
        before = count
        while i < end:
            kind, j = kinds[text[i]], i + 1
            if kind >= CLOSER_LOOK:
                kind, j = _look_closer(text, i, end, kind, wide_kinds, has_tags)
            if kind != WORD and kind != MARK:
                i = j
                continue
            chars, stop = 1, j
            while kind == WORD and j < end:
                kind, after = kinds[text[j]], j + 1
                if kind == JOINER and after < end:
                    kind, after = kinds[text[after]], after + 1
                    chars += 1
                if kind >= CLOSER_LOOK:
                    kind, after = _look_closer(text, after - 1, end, kind, wide_kinds, has_tags)
                if kind == WORD:
                    j = after
                    chars += 1
                    if chars <= most:
                        stop = j
            if chars < least:
                i = j
                continue
            length = stop - i
            # Start and multiplier are secret, so that nobody can choose tokens that collide.
            if length >= 8:
                h = secret
                for k in range(i, stop):
                    h = (h ^ np.uint64(text[k])) * secret
                pack = h >> _EIGHT | _LONG
            else:
                u = np.uint64(i)
                if i + 8 <= len(text):  # the compiler makes this one load of eight bytes
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
                    same = True
                    if length >= 8:
                        begin = bounds[candidate]
                        same = bounds[candidate + 1] - begin == length
                        k = 0
                        while same and k < length:
                            same = text[i + k] == store[begin + k]
                            k += 1
                    if same:
                        token = candidate
                        break
                slot = slot + _ONE & mask
            if token < 0 and not frozen:
                token = known
                for k in range(length):
                    store[bounds[known] + k] = text[i + k]
                bounds[known + 1] = bounds[known] + length
                packs[known] = pack
                slots[slot, 0] = pack
                slots[slot, 1] = known
                known += 1
            ids[count] = token
            count += 1
            i = j
        sizes[d] = count - before
    return last, known, count


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
        Which code points are white space.
    rare_spaces : bool
        Whether a single white space character that is not a space, such as a tab, stays what it is.

    Returns
    -------
    points : ndarray of int32
        One document after the other.
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
        before, run = count, 0
        while i < end:
            after = -1
            if tags[d] and text[i] == _LESS_THAN:
                after = _find_end_of_tag(text, i, end)
            if after > 0:
                point = np.int32(_SPACE)
            else:
                point, after = _decode(text, i)
            i = after
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
        sizes[d - first] = count - before
    return points[:count].copy(), sizes
