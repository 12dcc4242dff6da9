"""Patterns that find a secret in any encoding."""

import html
import re

# A secret of at least this length is also redacted within a longer word.
_UNMISTAKABLE = 8
_START = r"(?:(?<![a-z0-9])|(?<=%[0-9a-f]{2})|(?<=%25[0-9a-f]{2})|(?<=\\[nrt]))"


def make_pattern(secret: str) -> str:
    """Return a pattern of `secret` in every encoding: URL, shell, YAML, JSON, Python and HTML."""
    pattern = "".join(_make_character_pattern(c) for c in secret)
    if len(secret) >= _UNMISTAKABLE:
        return pattern
    # An escape, such as %3A, %253A or \n, may precede it.
    return rf"{_START}{pattern}(?![a-z0-9])"


def _make_character_pattern(c: str) -> str:
    if c.isascii() and c.isalnum():
        return c
    forms = {re.escape(c)}
    if c.isspace():
        forms |= {r"\s+", r"\+", r"\\\s+\\?"}
    if c in "'\"/\\":
        forms.add(rf"\\*{re.escape(c)}")
    if c == "\\":
        forms.add(r"\\+")
    if c == "'":
        # Doubled in YAML and SQL; closed, quoted and opened again in a shell, maybe twice.
        forms |= {"''", r"""'(?:"'"|\\')'""", r"""(?:['"\\]|&#x27;){2,24}""", "&#39;"}
    if c == "%":
        forms.add("%%")
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in c.encode("utf-8", "surrogatepass"))
    code = ord(c)
    forms |= {percent, re.escape(html.escape(c)), rf"\\+u{code:04x}", rf"\\+u{code:08x}"}
    if code < 256:
        forms.add(rf"\\+x{code:02x}")
    if code > 0xFFFF:
        high, low = divmod(code - 0x10000, 0x400)
        forms.add(rf"\\+u{0xD800 + high:04x}\\+u{0xDC00 + low:04x}")
    return f"(?:{'|'.join(sorted(forms, key=len, reverse=True))})"
