"""Bearer tokens that requests are authorized by."""

import hmac
from hashlib import sha256
from pathlib import Path

from sentiment.errors import ConfigError, InputNotFoundError

_SHORTEST = 16  # characters of a token


def read_tokens(path: str) -> list[bytes]:
    """Return the SHA-256 digests of the tokens in a file with one token per line.

    Empty lines and lines that begin with ``#`` are skipped.

    Raises
    ------
    InputNotFoundError, ConfigError
        The file does not exist, has no token, or has a token that is too short.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputNotFoundError(file, "server.tokens_file", "a file with a token on each line")
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError:
        found = "is not in UTF-8; expected a text file, with one token"
        raise ConfigError(
            [f"server.tokens_file is '{file}', which {found} on each line."]
        ) from None
    tokens = [line for line in lines if line and not line.startswith("#")]
    if not tokens:
        found = "holds no token; expected one"
    elif min(map(len, tokens)) < _SHORTEST:
        found = f"has a token that can be guessed; expected {_SHORTEST} characters or more"
    else:
        found = ""
    if found:
        raise ConfigError([f"server.tokens_file is '{file}', which {found} on each line."])
    return [_digest(token.encode()) for token in tokens]


def is_allowed(header: bytes, tokens: list[bytes]) -> bool:
    """Return whether an ``Authorization`` header has one of the tokens, given as digests.

    The digest is compared with all of them in constant time, so the response time reveals neither a
    token nor which of them matched.
    """
    kind, _, given = header.partition(b" ")
    digest = _digest(given.strip())
    found = False
    for token in tokens:
        found |= hmac.compare_digest(digest, token)
    return found and kind.lower() == b"bearer"


def _digest(token: bytes) -> bytes:
    return sha256(token).digest()
