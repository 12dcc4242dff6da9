"""Secrets in texts, by their place: passwords and tokens in addresses and settings of drivers."""

import base64
import contextlib
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

MASK = "***"

_SCHEME = re.compile(r"(?<![a-z0-9+.\-])([a-z][a-z0-9+.\-]*)://", re.IGNORECASE)
# A name and a colon; neither a path nor an IPv6 address.
_USER = re.compile(r"""[^\s:/@?#'"\\\[]*:""")
_PORT = re.compile(r"\d{1,5}[/?#]")
# Addresses in which a slash ends the host, whatever follows.
_HOST_ENDS_AT_SLASH = {"http", "https", "ws", "wss", "ftp", "tcp", "tls"}
NAMES = (
    r"\w*(?:password|passwd|pwd|passphrase|secret|api_?key|access_?key(?:_?id)?|private_?key"
    r"|credentials?|signature)"
)
# In the query of an address, where no sentence has such a word by chance.
_QUERY_NAMES = rf"{NAMES}|\w*token|odbc_connect|sig|auth|pw|pass|key"
_PARAMETER = re.compile(
    rf"""([?&;](?:{_QUERY_NAMES})=)([^&\s]*?)(?=['")\]>,;]*(?:[&\s]|$))""", re.IGNORECASE
)
# A connection string of a driver, or SQL with one in it.
_ASSIGNMENT = re.compile(
    rf"""(?<!\w)((?:{NAMES})["']?\s*[=:]\s*|identified\s+by\s+|(?<!\w)password\s+(?='))"""
    r"""('(?:[^']|'')*'|"[^"]*"|(?<![:\s])[^\s&;,)'"]+)""",
    re.IGNORECASE,
)


def redact_addresses(text: str) -> str:
    """Return `text` with the secrets in its addresses and assignments masked."""
    if "://" in text:
        text = _redact_addresses(text)
    return _ASSIGNMENT.sub(_mask_value, text)


def split_credentials(address: str) -> tuple[str, str | None, str | None]:
    """Return an HTTP `address` without its user and password, and both, decoded.

    Examples
    --------
    >>> split_credentials("http://ann:p%40w@mlflow:5000/x")
    ('http://mlflow:5000/x', 'ann', 'p@w')
    """
    scheme, mark, rest = address.partition("://")
    found = _find_password(scheme, rest, whole=True) if mark else None
    if scheme not in ("http", "https") or found is None:
        return address, None, None
    start, end = found
    return f"{scheme}://{rest[end + 1 :]}", unquote(rest[: start - 1]), unquote(rest[start:end])


def _find_password(scheme: str, rest: str, *, whole: bool) -> tuple[int, int] | None:
    """Return where the password is in `rest`, which follows ``scheme://``.

    If `rest` is not the `whole` address, it ends at the first blank.
    """
    extent = rest if whole else re.split(r"\s", rest, maxsplit=1)[0]
    user = _USER.match(extent)
    # A password may have any sign in it, so the last one ends it.
    end = extent.rfind("@")
    if user is None or end < user.end() or extent.startswith(f"{MASK}@", user.end()):
        return None
    if scheme.lower() in _HOST_ENDS_AT_SLASH and _PORT.match(extent, user.end(), end):
        return None
    return user.end(), end


def _split_addresses(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the text before each address, ``scheme://`` and what follows up to the next one."""
    marks = list(_SCHEME.finditer(text))
    yield text[: marks[0].start()] if marks else text, "", ""
    for mark, end in zip(marks, [*(m.start() for m in marks[1:]), len(text)], strict=False):
        yield text[mark.start() - 1 : mark.start()], mark[0], text[mark.end() : end]


def _redact_addresses(text: str) -> str:
    parts = []
    for before, scheme, rest in _split_addresses(text):
        if not scheme:
            parts.append(before)
            continue
        name = scheme.removesuffix("://")
        found = _find_password(name, rest, whole=False)
        if found is None and before in ("'", '"', "`") and before in rest:
            found = _find_password(name, rest.partition(before)[0], whole=True)
        if found is not None:
            rest = f"{rest[: found[0]]}{MASK}{rest[found[1] :]}"
        parts += [scheme, _PARAMETER.sub(rf"\1{MASK}", rest)]
    return "".join(parts)


def find_secrets(text: str) -> Iterator[str]:
    """Yield the secrets in `text`, as they are written and as libraries decode them."""
    for match in _ASSIGNMENT.finditer(text):
        yield match[2].strip("'\"")
    for _, scheme, rest in _split_addresses(text):
        if not scheme:
            continue
        name = scheme.removesuffix("://")
        rest = rest.rstrip(",'\"" if rest.endswith(",") else "")
        found = _find_password(name, rest, whole=True)
        if found is not None:
            user, host = rest[: found[0] - 1], rest[found[1] + 1 :]
            public = {user, *re.split(r"[:/?&=]", host)}
            for password in _decode(rest[slice(*found)], _parse_password(scheme + rest)):
                if password not in public:
                    yield password
                    pair = f"{unquote(user)}:{password}".encode()
                    yield base64.b64encode(pair).decode().rstrip("=")
                    # A library that ends the host too early quotes a part of the password.
                    yield from (p for p in re.split(r"[/?#@:]", password) if len(p) >= 4)
        for match in _PARAMETER.finditer(rest):
            value = rest[match.start(2) :].partition("&")[0]
            yield from _decode(match[2], value)
        with contextlib.suppress(ValueError):
            query = parse_qsl(urlsplit(f"x://{rest}").query)
            yield from (v for k, v in query if _PARAMETER.fullmatch(f"?{k}=x"))


def _decode(*written: str | None) -> set[str]:
    known = {one for one in written if one}
    return known | set(map(unquote, known)) | set(map(unquote_plus, known))


def _parse_password(address: str) -> str | None:
    """Return the password that SQLAlchemy reads in `address`, if any."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(address).password
    except (ArgumentError, ValueError):
        return None


def _mask_value(match: re.Match[str]) -> str:
    quote = match[2][0] if match[2][0] in "'\"" else ""
    return f"{match[1]}{quote}{MASK}{quote}"
