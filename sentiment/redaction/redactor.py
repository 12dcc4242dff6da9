"""The secrets of this process, and texts without them."""

import contextlib
import logging
import os
import re
import shlex
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from sentiment.redaction.addresses import MASK, NAMES, find_secrets, redact_addresses
from sentiment.redaction.patterns import make_pattern
from sentiment.redaction.printable import make_printable

_SECRET_VARIABLE = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PGPASSWORD|PASS|TOKEN|SECRET|KEY|CREDENTIALS?)$", re.IGNORECASE
)
# Shorter secrets are redacted in addresses only: elsewhere they would match unrelated words.
_MIN_LENGTH, _MIN_VARIABLE_LENGTH = 3, 6
# Default passwords, which protect nothing and occur in every config.
PUBLIC_PASSWORDS = {
    "sentiment", "mlflow", "optuna", "sklearn", "postgres", "postgresql", "sqlite", "none",
}  # fmt: skip


class Redactor:
    """The secrets of a process and the patterns that find them in any encoding."""

    def __init__(self) -> None:
        self._patterns: dict[str, re.Pattern[str]] = {}

    def learn(self, setting: str) -> None:
        """Remember the secrets in `setting`: an address, or command-line arguments."""
        if "://" not in setting and "=" not in setting:
            return
        _, _, value = setting.partition("=")
        texts = {setting, value, value[1:-1] if value[:1] in ("'", '"') else value}
        with contextlib.suppress(ValueError):
            arguments = shlex.split(value)
            texts |= {*arguments, *(argument.partition("=")[2] for argument in arguments)}
        for text in texts:
            self._remember(find_secrets(text))

    def learn_environment(self, environment: Mapping[str, str]) -> None:
        """Remember the values of variables named like secrets, and the secrets in all others."""
        for name, value in environment.items():
            self.learn(value)
            if _SECRET_VARIABLE.search(name) and len(value) >= _MIN_VARIABLE_LENGTH:
                self._remember([value])

    def _remember(self, secrets: Iterable[str]) -> None:
        for secret in secrets:
            is_public = secret.lower() in PUBLIC_PASSWORDS or secret == MASK
            if not is_public and len(secret) >= _MIN_LENGTH and secret not in self._patterns:
                pattern = re.compile(make_pattern(secret), re.IGNORECASE)
                self._patterns = self._patterns | {secret: pattern}

    def redact(self, text: str) -> str:
        """Return `text` without secrets."""
        # Secrets may overlap, such as where an address can be parsed in two ways.
        spans = [m.span() for pattern in self._patterns.values() for m in pattern.finditer(text)]
        text = _mask(text, spans) if spans else text
        return redact_addresses(text)


_REDACTOR = Redactor()


def redact(text: str) -> str:
    """Return `text` with passwords, tokens and the known secrets of this process masked.

    Examples
    --------
    >>> redact("cannot connect to postgresql://ann:s3cret@db:5432/reviews")
    'cannot connect to postgresql://ann:***@db:5432/reviews'
    """
    return _REDACTOR.redact(text)


def redact_values(facts: Mapping[str, str]) -> dict[str, str]:
    """Return `facts` with each value redacted."""
    return {key: redact(value) for key, value in facts.items()}


def learn_secrets(settings: Any) -> None:
    """Remember the secrets in the strings of `settings`, which may be nested.

    Parameters
    ----------
    settings : str, list or dict
        Command-line arguments or a config.
    """
    if isinstance(settings, str):
        _REDACTOR.learn(settings)
    elif isinstance(settings, Mapping):
        for key, value in settings.items():
            learn_secrets(value)
            if isinstance(value, str) and re.fullmatch(NAMES, str(key), re.IGNORECASE):
                _REDACTOR.learn(f"?{key}={value}")
    elif isinstance(settings, Iterable):
        for item in settings:
            learn_secrets(item)


def protect_process() -> None:
    """Learn the secrets of the environment and redact all log records of this process."""
    _REDACTOR.learn_environment(os.environ)
    make_record = logging.getLogRecordFactory()
    if getattr(make_record, "redacts", False):
        return

    def make_redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        try:
            message = make_printable(record.getMessage(), None, keep="\n\t")
            record.msg, record.args = redact(message), ()
        except (TypeError, ValueError):
            return record  # the message does not fit its arguments, which the handler reports
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = format_error(record.exc_info[1]).rstrip()
        return record

    make_redacted.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_redacted)


def format_error(error: BaseException) -> str:
    """Return the traceback of `error`, redacted and printable."""
    text = "".join(traceback.format_exception(error))
    return redact(make_printable(text, None, keep="\n\t"))


def _mask(text: str, spans: list[tuple[int, int]]) -> str:
    pieces, done = [], 0
    for start, end in sorted(spans):
        if start >= done:
            pieces += [text[done:start], MASK]
        done = max(done, end)
    return "".join([*pieces, text[done:]])
