"""Secrets recognized by position: passwords and tokens in addresses and settings of drivers."""

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
# Schemes whose addresses end the host at the first slash.
_HOST_ENDS_AT_SLASH = {"http", "https", "ws", "wss", "ftp", "tcp", "tls"}
NAMES = (
    r"\w*(?:password|passwd|pwd|passphrase|secret|api_?key|access_?key(?:_?id)?|private_?key"
    r"|credentials?|signature)"
)
# Further names in the query of an address, which also are common words in sentences.
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
    """Return an HTTP `address` without credentials, and the decoded user and password.

    Examples
    --------
    >>> split_credentials("http://ann:p%40w@mlflow:5000/x")
    ('http://mlflow:5000/x', 'ann', 'p@w')
    """
    scheme, separator, rest = address.partition("://")
    password_span = _find_password(scheme, rest, is_complete=True) if separator else None
    if scheme not in ("http", "https") or password_span is None:
        return address, None, None
    start, end = password_span
    return f"{scheme}://{rest[end + 1 :]}", unquote(rest[: start - 1]), unquote(rest[start:end])


def _find_password(scheme: str, rest: str, *, is_complete: bool) -> tuple[int, int] | None:
    """Return where the password is in `rest`, which follows ``scheme://``.

    If `rest` is not the `is_complete` address, it ends at the first blank.
    """
    address = rest if is_complete else re.split(r"\s", rest, maxsplit=1)[0]
    user = _USER.match(address)
    # A password may contain @, so the last one ends it.
    at_sign = address.rfind("@")
    if user is None or at_sign < user.end() or address.startswith(f"{MASK}@", user.end()):
        return None
    if scheme.lower() in _HOST_ENDS_AT_SLASH and _PORT.match(address, user.end(), at_sign):
        return None
    return user.end(), at_sign


def _split_addresses(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the text before each address, its ``scheme://`` and the text up to the next address."""
    schemes = list(_SCHEME.finditer(text))
    yield text[: schemes[0].start()] if schemes else text, "", ""
    for scheme, end in zip(schemes, [*(m.start() for m in schemes[1:]), len(text)], strict=False):
        yield text[scheme.start() - 1 : scheme.start()], scheme[0], text[scheme.end() : end]


def _redact_addresses(text: str) -> str:
    redacted = []
    for preceding, scheme, rest in _split_addresses(text):
        if not scheme:
            redacted.append(preceding)
            continue
        name = scheme.removesuffix("://")
        span = _find_password(name, rest, is_complete=False)
        if span is None and preceding in ("'", '"', "`") and preceding in rest:
            span = _find_password(name, rest.partition(preceding)[0], is_complete=True)
        if span is not None:
            rest = f"{rest[: span[0]]}{MASK}{rest[span[1] :]}"
        redacted += [scheme, _PARAMETER.sub(rf"\1{MASK}", rest)]
    return "".join(redacted)


def find_secrets(text: str) -> Iterator[str]:
    """Yield the secrets in `text`, both as written and as decoded by libraries."""
    for match in _ASSIGNMENT.finditer(text):
        yield match[2].strip("'\"")
    for _, scheme, rest in _split_addresses(text):
        if not scheme:
            continue
        name = scheme.removesuffix("://")
        rest = rest.rstrip(",'\"" if rest.endswith(",") else "")
        span = _find_password(name, rest, is_complete=True)
        if span is not None:
            user, host = rest[: span[0] - 1], rest[span[1] + 1 :]
            public = {user, *re.split(r"[:/?&=]", host)}
            for password in _decode(rest[slice(*span)], _parse_password(scheme + rest)):
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


def _decode(*texts: str | None) -> set[str]:
    values = {value for value in texts if value}
    return values | set(map(unquote, values)) | set(map(unquote_plus, values))


def _parse_password(address: str) -> str | None:
    """Return the password that SQLAlchemy finds in `address`, or None."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(address).password
    except (ArgumentError, ValueError):
        return None


def _mask_value(match: re.Match[str]) -> str:
    quote = match[2][0] if match[2][0] in "'\"" else ""
    return f"{match[1]}{quote}{MASK}{quote}"
