"""Kernels that find the positions of tokens in texts.

A document is processed in small arrays that stay in the cache of a core: its bytes, their kinds,
and a bit for each byte that is set in words. Words start and end where the bits change.
"""

from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from sentiment.ngrams.compiling import kernel

# Kinds of bytes; all bytes of a character have the kind of the character.
WORD, MARK, JOINER = 1, 2, 4
# Replacement of a character that only Python can handle.
FALLBACK = -1
# Bytes between two documents.
GAP = 64

_ONE, _63 = np.uint64(1), np.uint64(63)
# Multiplication collects the bits of eight bytes, each 0 or 1, in the highest byte.
_FLAGS, _GATHER, _56 = np.uint64(0x0101010101010101), np.uint64(0x0102040810204080), np.uint64(56)
_LESS_THAN, _GREATER_THAN, _SLASH, _AMPERSAND, _SPACE = 60, 62, 47, 38, 32


class Reading(NamedTuple):
    """Settings for splitting bytes into tokens.

    Attributes
    ----------
    kinds : ndarray of uint8, of shape (1114112,)
        The kinds of code points.
    letters : ndarray of int32, of shape (1114112,)
        The replacement of each code point beyond ASCII, or `FALLBACK`.
    lowercase : bool
        Whether to lowercase ASCII letters.
    min_length, max_length : int
        Words with fewer characters are not tokens; words with more are truncated.
    signs : bool
        Whether any code point is a mark or a joiner.
    cleaned : bool
        Whether to remove HTML.
    """

    kinds: np.ndarray
    letters: np.ndarray
    lowercase: bool
    min_length: int
    max_length: int
    signs: bool
    cleaned: bool


@intrinsic
def _count_zeros(typing_context, bits):
    """Return the number of trailing zero bits of a uint64; 64 for 0."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))

    return types.int64(types.uint64), generate


@intrinsic
def _count_ones(typing_context, bits):
    """Return the number of set bits of a uint64."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@kernel
def _copy(text, start, end, reading, line):
    """Copy a document into `line`, with ASCII letters in lowercase if asked for.

    Returns
    -------
    wide, tags, entities : bool
        Whether there are bytes beyond ASCII, possible HTML tags, possible entities.
    """
    # The compiler vectorizes slices, and reductions of bytes by min and max.
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
            # As in the pattern of html.unescape, none of these follows the ampersand.
            if line[k] == _AMPERSAND and line[k + 1] not in (9, 10, 12, 32, 38, 59, 60):
                entities = True
    return largest >= 0x80, tag == 0 and reading.cleaned, entities


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
def _blank_tags(line, size):
    """Overwrite HTML tags with spaces."""
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
    """Write the kinds of ASCII bytes, and 0 for other bytes."""
    source, out = line[:size], kinds[:size]
    if reading.signs:
        for k in range(size):
            out[k] = reading.kinds[source[k]] if source[k] < 0x80 else 0
    else:  # words are the same for all patterns, so the compiler can vectorize this
        for k in range(size):
            letter, digit = (source[k] | np.uint8(32)) - np.uint8(97), source[k] - np.uint8(48)
            word = np.uint8(letter) < np.uint8(26) or np.uint8(digit) < np.uint8(10)
            out[k] = word or source[k] == np.uint8(95)


@kernel
def _replace_wide(line, size, reading, kinds):
    """Lowercase the characters beyond ASCII in place, and write their kinds.

    Returns
    -------
    bool
        Whether all characters are supported. Unsupported are those that only Python can handle, and
        those whose lowercase letter has another number of bytes.
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
            # The smallest code points of two, three and four bytes.
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
def _gather(eights, first, bit):
    """Return one bit of each of 64 bytes, as one number."""
    bits = np.uint64(0)
    for k in range(8):
        bits |= ((eights[first + k] >> bit & _FLAGS) * _GATHER >> _56) << np.uint64(8 * k)
    return bits


@kernel
def _list_ones(bits, base, out, count):
    """Write the positions of the set bits; return the new count.

    Up to three arbitrary values may follow them.
    """
    total = count + _count_ones(bits)
    # A branch for every four bits is predicted better than one for each.
    while count < total:
        for k in range(4):
            out[count + k] = base + _count_zeros(bits)
            bits &= bits - _ONE
        count += 4
    return total


@kernel
def _find_tokens(kinds, size, reading, words, marks, starts, ends):
    """Write the starts and ends of the tokens of a document; return the number of tokens.

    Words of one byte are left out if words have at least two characters.
    """
    eights, blocks = kinds.view(np.uint64), (size + 63) >> 6
    for b in range(blocks):
        words[b] = _gather(eights, 8 * b, np.uint64(0))
    words[blocks] = 0
    if reading.signs:
        previous = np.uint64(0)
        for b in range(blocks):  # a joiner has a word on both sides
            word = words[b]
            between = (word << _ONE | previous >> _63) & (word >> _ONE | words[b + 1] << _63)
            words[b] = word | _gather(eights, 8 * b, np.uint64(2)) & between
            marks[b] = _gather(eights, 8 * b, _ONE)
            previous = word
    start_count = end_count = 0
    previous = np.uint64(0)
    for b in range(blocks):
        word = words[b]
        behind, ahead = word << _ONE | previous >> _63, word >> _ONE | words[b + 1] << _63
        previous = word
        if reading.min_length > 1:
            word &= behind | ahead
        start_count = _list_ones(word & ~behind | marks[b], 64 * b, starts, start_count)
        end_count = _list_ones(word & ~ahead | marks[b], 64 * b + 1, ends, end_count)
    return start_count


@kernel
def _measure(line, start, end, max_length):
    """Return the numbers of characters of a word, and of bytes in its first `max_length` ones."""
    characters, size = 0, end - start
    for k in range(end - start):
        if line[start + k] & 0xC0 != 0x80:
            if characters == max_length:
                size = k
            characters += 1
    return characters, size


@kernel
def find_tokens(text, starts, ends, reading, lines, positions, sizes, bounds, is_read):
    """Find the tokens of documents; return the largest number of tokens of a document.

    Parameters
    ----------
    text, starts, ends : ndarray of uint8, of int64, of int64
        The documents in UTF-8.
    reading : Reading
        Settings for splitting bytes into tokens.
    lines : ndarray of uint8
        Output: the documents, in lowercase if asked for, with `GAP` bytes after each.
    positions, sizes : ndarray of int32
        Output: start of each token in `lines`, and its number of bytes; as large as `text`.
    bounds : ndarray of int64, of shape (n_documents,)
        Output: cumulative number of tokens of the documents.
    is_read : ndarray of bool, of shape (n_documents,)
        Output: False for documents that only Python can read, which get no tokens.
    """
    longest = 0
    for d in range(len(starts)):
        longest = max(longest, ends[d] - starts[d])
    kinds = np.empty((longest + 2 * GAP) & -8, np.uint8)
    words, marks = np.empty(longest // 64 + 2, np.uint64), np.zeros(longest // 64 + 2, np.uint64)
    # `_list_ones` may write a few more.
    opened, closed = np.empty(longest + 4, np.int32), np.empty(longest + 4, np.int32)
    begin = total = max_count = 0
    for d in range(len(starts)):
        size, previous_total = ends[d] - starts[d], total
        line = lines[begin : begin + size + GAP]
        wide, tags, entities = _copy(text, starts[d], ends[d], reading, line)
        line[size:] = 0
        if tags:
            _blank_tags(line, size)
        _classify(line, size, reading, kinds)
        kinds[size : size + GAP] = 0
        is_read[d] = not entities and (not wide or _replace_wide(line, size, reading, kinds))
        if is_read[d]:
            count = _find_tokens(kinds, size, reading, words, marks, opened, closed)
            if wide or reading.min_length > 2:
                for k in range(count):
                    characters, length = _measure(line, opened[k], closed[k], reading.max_length)
                    positions[total], sizes[total] = begin + opened[k], length
                    total += characters >= reading.min_length
            else:
                position, length = positions[total : total + count], sizes[total : total + count]
                for k in range(count):
                    position[k] = begin + opened[k]
                    length[k] = min(closed[k] - opened[k], reading.max_length)
                total += count
        bounds[d] = total
        max_count = max(max_count, total - previous_total)
        begin += size + GAP
    return max_count
