"""Bearer tokens that authorize requests, and the certificate of the server."""

import hmac
import ssl
from hashlib import sha256
from pathlib import Path

from sentiment.errors import ConfigError, InputNotFoundError

_MIN_TOKEN_LENGTH = 16  # characters


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
        problem = "is not in UTF-8; expected a text file, with one token"
        raise ConfigError(
            [f"server.tokens_file is '{file}', which {problem} on each line."]
        ) from None
    tokens = [line for line in lines if line and not line.startswith("#")]
    if not tokens:
        problem = "holds no token; expected one"
    elif min(map(len, tokens)) < _MIN_TOKEN_LENGTH:
        problem = (
            f"has a token that can be guessed; expected {_MIN_TOKEN_LENGTH} characters or more"
        )
    else:
        problem = ""
    if problem:
        raise ConfigError([f"server.tokens_file is '{file}', which {problem} on each line."])
    return [_digest(token.encode()) for token in tokens]


def find_certificate(certfile: str, keyfile: str | None) -> tuple[str, str]:
    """Return the paths of a certificate and its key, after a check that TLS can use them.

    Raises
    ------
    InputNotFoundError, ConfigError
        A file does not exist, has no certificate, or has no key of the certificate.
    """
    certificate, key = (Path(path).expanduser() for path in (certfile, keyfile or certfile))
    for setting, path in (("certfile", certificate), ("keyfile", key)):
        if not path.is_file():
            raise InputNotFoundError(path, f"server.{setting}", "a file in PEM format")
    try:
        # Without a password, OpenSSL would ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise ConfigError(
            [
                f"server.certfile is '{certificate}', with the key in '{key}', and TLS cannot use "
                f"them: {error}. Expected a certificate in PEM format, and its private key without "
                "a password."
            ]
        ) from error
    return str(certificate), str(key)


def is_allowed(header: bytes, tokens: list[bytes]) -> bool:
    """Return whether an ``Authorization`` header has one of the tokens, given as digests.

    The digest is compared with all tokens in constant time, so the response time reveals neither a
    token nor which one matched.
    """
    scheme, _, credentials = header.partition(b" ")
    digest = _digest(credentials.strip())
    has_match = False
    for token in tokens:
        has_match |= hmac.compare_digest(digest, token)
    return has_match and scheme.lower() == b"bearer"


def _digest(token: bytes) -> bytes:
    return sha256(token).digest()
