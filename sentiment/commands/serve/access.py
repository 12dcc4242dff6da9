"""Bearer tokens: who may use the server."""

import hmac
from hashlib import sha256
from pathlib import Path

from sentiment.errors import ConfigError, InputNotFoundError

_SHORTEST = 16


def read_tokens(path: str) -> list[bytes]:
    """Return the digests of the tokens in a file that has one on each line.

    Empty lines and those that begin with ``#`` are skipped.

    Raises
    ------
    InputNotFoundError, ConfigError
        There is no such file, or it holds no token, or one that can be guessed.
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
    """Return whether an ``Authorization`` header has one of the tokens.

    Digests are compared in constant time, with all tokens, so that neither a token nor which one
    of them it was can be learned from how long it takes.
    """
    kind, _, given = header.partition(b" ")
    digest = _digest(given.strip())
    found = False
    for token in tokens:
        found |= hmac.compare_digest(digest, token)
    return found and kind.lower() == b"bearer"


def _digest(token: bytes) -> bytes:
    return sha256(token).digest()
