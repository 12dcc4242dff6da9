"""Where the tokens of texts are.

A document passes through small arrays that stay in the cache of a core: its bytes, their kinds,
and a bit for each that says whether it is in a word. Words end where the bits change.
"""

from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from sentiment.ngrams.compiling import kernel

# Kinds of bytes; all bytes of a character are of the kind of the character.
WORD, MARK, JOINER = 1, 2, 4
# In the place of a character that only Python can handle.
FALLBACK = -1
# Bytes between two documents.
GAP = 64

_ONE, _63 = np.uint64(1), np.uint64(63)
# Eight bytes of zero or one, multiplied, have their eight bits at the top.
_FLAGS, _GATHER, _56 = np.uint64(0x0101010101010101), np.uint64(0x0102040810204080), np.uint64(56)
_LESS_THAN, _GREATER_THAN, _SLASH, _AMPERSAND, _SPACE = 60, 62, 47, 38, 32


class Reading(NamedTuple):
    """Settings for splitting bytes into tokens.

    Attributes
    ----------
    kinds : ndarray of uint8, of shape (1114112,)
        The kinds of code points.
    letters : ndarray of int32, of shape (1114112,)
        What takes the place of each code point beyond ASCII, or `FALLBACK`.
    lowercase : bool
        Whether small letters take the place of the capital ones of ASCII.
    least, most : int
        Words with fewer characters are not tokens, and those with more are cut.
    signs : bool
        Whether any code point is a mark or a joiner.
    cleaned : bool
        Whether HTML is to be taken off.
    """

    kinds: np.ndarray
    letters: np.ndarray
    lowercase: bool
    least: int
    most: int
    signs: bool
    cleaned: bool


@intrinsic
def _count_zeros(typing_context, bits):
    """Return the number of zeros behind the last one in a uint64; 64 if there is none."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))

    return types.int64(types.uint64), generate


@intrinsic
def _count_ones(typing_context, bits):
    """Return the number of ones in a uint64."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@kernel
def _copy(text, start, end, reading, line):
    """Copy a document with small letters for the capital ones of ASCII into `line`.

    Returns
    -------
    wide, tags, entities : bool
        Whether there are bytes beyond ASCII, what may be an HTML tag, what may be an entity.
    """
    # Slices, and reductions of bytes by min and max: the compiler makes this many bytes wide.
    source, size = text[start:end], end - start
    copied = line[:size]
    largest, tag, entity = np.uint8(0), np.uint8(255), np.uint8(255)
    lower = np.uint8(32) if reading.lowercase else np.uint8(0)
    for k in range(size):
        byte = source[k]
        largest = max(largest, byte)
        tag = min(tag, byte ^ np.uint8(_LESS_THAN))
        entity = min(entity, byte ^ np.uint8(_AMPERSAND))
        copied[k] = byte + lower if 65 <= byte <= 90 else byte
    entities = False
    if entity == 0 and reading.cleaned:
        for k in range(size - 1):
            # As in the pattern of html.unescape, none of these comes behind the ampersand.
            if line[k] == _AMPERSAND and line[k + 1] not in (9, 10, 12, 32, 38, 59, 60):
                entities = True
    return largest >= 0x80, tag == 0 and reading.cleaned, entities


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
def _blank_tags(line, size):
    """Write spaces over HTML tags."""
    for first in range(0, size, 64):
        block, tag = line[first : first + 64], np.uint8(255)
        for k in range(64):
            tag = min(tag, block[k] ^ np.uint8(_LESS_THAN))
        if tag == 0:
            for i in range(first, min(first + 64, size)):
                if line[i] == _LESS_THAN:
                    line[i : max(i, _find_end_of_tag(line, i, size))] = _SPACE


@kernel
def _classify(line, size, reading, kinds):
    """Write the kinds of the bytes of ASCII; those beyond it are in no word yet."""
    source, written = line[:size], kinds[:size]
    if reading.signs:
        for k in range(size):
            written[k] = reading.kinds[source[k]] if source[k] < 0x80 else 0
    else:  # all patterns have the same words; many bytes at a time
        for k in range(size):
            letter, digit = (source[k] | np.uint8(32)) - np.uint8(97), source[k] - np.uint8(48)
            word = np.uint8(letter) < np.uint8(26) or np.uint8(digit) < np.uint8(10)
            written[k] = word or source[k] == np.uint8(95)


@kernel
def _replace_wide(line, size, reading, kinds):
    """Make small letters of the characters beyond ASCII, in place, and write their kinds.

    Returns
    -------
    bool
        Whether that is all; else there is one that only Python knows, or one whose small letter
        has another number of bytes.
    """
    for i in range(size):
        lead = np.int64(line[i])
        if lead < 0xC0:
            continue
        width = 2 + (lead >= 0xE0) + (lead >= 0xF0)
        point = lead & 0xFF >> width + 1
        for k in range(i + 1, i + width):
            point = point << 6 | line[k] & 0x3F
        small = np.int64(reading.letters[point])
        if small != point:
            # The least code points of two, three and four bytes.
            if small < 0x80 or 2 + (small >= 0x800) + (small >= 0x10000) != width:
                return False
            point = small
            for k in range(i + width - 1, i, -1):
                line[k] = 0x80 | small & 0x3F
                small >>= 6
            line[i] = (0xF00 >> width & 0xFF) | small
        for k in range(i, i + width):
            kinds[k] = reading.kinds[point]
    return True


@kernel
def _gather(eights, first, place):
    """Return the bits at a place of 64 bytes as one number."""
    bits = np.uint64(0)
    for k in range(8):
        bits |= ((eights[first + k] >> place & _FLAGS) * _GATHER >> _56) << np.uint64(8 * k)
    return bits


@kernel
def _list_ones(bits, base, places, count):
    """Write where the ones in a number are, and what else comes up; return the new count."""
    total = count + _count_ones(bits)
    # A branch for four at a time goes the same way more often than one for each.
    while count < total:
        for k in range(4):
            places[count + k] = base + _count_zeros(bits)
            bits &= bits - _ONE
        count += 4
    return total


@kernel
def _find_tokens(kinds, size, reading, words, marks, starts, ends):
    """Write where the tokens of a document start and end; return how many there are.

    Words of one byte are left out if words have two characters at least.
    """
    eights, blocks = kinds.view(np.uint64), (size + 63) >> 6
    for b in range(blocks):
        words[b] = _gather(eights, 8 * b, np.uint64(0))
    words[blocks] = 0
    if reading.signs:
        before = np.uint64(0)
        for b in range(blocks):  # what joins has a word on both sides
            word = words[b]
            sides = (word << _ONE | before >> _63) & (word >> _ONE | words[b + 1] << _63)
            words[b] = word | _gather(eights, 8 * b, np.uint64(2)) & sides
            marks[b] = _gather(eights, 8 * b, _ONE)
            before = word
    found = closed = 0
    before = np.uint64(0)
    for b in range(blocks):
        word = words[b]
        behind, ahead = word << _ONE | before >> _63, word >> _ONE | words[b + 1] << _63
        before = word
        if reading.least > 1:
            word &= behind | ahead
        found = _list_ones(word & ~behind | marks[b], 64 * b, starts, found)
        closed = _list_ones(word & ~ahead | marks[b], 64 * b + 1, ends, closed)
    return found


@kernel
def _measure(line, start, end, most):
    """Return how many characters a word has, and how many bytes the first `most` of them."""
    characters, size = 0, end - start
    for k in range(end - start):
        if line[start + k] & 0xC0 != 0x80:
            if characters == most:
                size = k
            characters += 1
    return characters, size


@kernel
def find_tokens(text, starts, ends, reading, lines, places, sizes, bounds, done):
    """Find the tokens of documents; return how many the document with the most has.

    Parameters
    ----------
    text, starts, ends : ndarray of uint8, of int64, of int64
        The documents in UTF-8.
    reading : Reading
        What tokens are.
    lines : ndarray of uint8
        The same documents, small letters made if asked for, with `GAP` bytes behind each.
    places, sizes : ndarray of int32
        Where each token starts in `lines`, and how many bytes it has; as many as bytes are enough.
    bounds : ndarray of int64, of shape (n_documents,)
        How many tokens there are up to and with each document.
    done : ndarray of bool, of shape (n_documents,)
        Becomes False for documents that only Python can read; they have no tokens.
    """
    longest = 0
    for d in range(len(starts)):
        longest = max(longest, ends[d] - starts[d])
    kinds = np.empty((longest + 2 * GAP) & -8, np.uint8)
    words, marks = np.empty(longest // 64 + 2, np.uint64), np.zeros(longest // 64 + 2, np.uint64)
    # Four more may be written.
    opened, closed = np.empty(longest + 4, np.int32), np.empty(longest + 4, np.int32)
    begin = total = most = 0
    for d in range(len(starts)):
        size, before = ends[d] - starts[d], total
        line = lines[begin : begin + size + GAP]
        wide, tags, entities = _copy(text, starts[d], ends[d], reading, line)
        line[size:] = 0
        if tags:
            _blank_tags(line, size)
        _classify(line, size, reading, kinds)
        kinds[size : size + GAP] = 0
        done[d] = not entities and (not wide or _replace_wide(line, size, reading, kinds))
        if done[d]:
            found = _find_tokens(kinds, size, reading, words, marks, opened, closed)
            if wide or reading.least > 2:
                for k in range(found):
                    characters, length = _measure(line, opened[k], closed[k], reading.most)
                    places[total], sizes[total] = begin + opened[k], length
                    total += characters >= reading.least
            else:
                place, length = places[total : total + found], sizes[total : total + found]
                for k in range(found):
                    place[k] = begin + opened[k]
                    length[k] = min(closed[k] - opened[k], reading.most)
                total += found
        bounds[d] = total
        most = max(most, total - before)
        begin += size + GAP
    return most
