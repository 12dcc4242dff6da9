"""Remove secrets from everything that is recorded, printed or sent.

Two things are redacted from a text: passwords in addresses, recognized by their place, and the
secrets of this process, recognized by their value. The latter are learned from the settings and the
environment when a process starts, since drivers and servers repeat them in messages of any form.
"""

from sentiment.redaction.addresses import MASK, split_credentials
from sentiment.redaction.redactor import (
    Redactor,
    format_error,
    learn_secrets,
    protect_process,
    redact,
    redact_values,
)

__all__ = [
    "MASK",
    "Redactor",
    "format_error",
    "learn_secrets",
    "protect_process",
    "redact",
    "redact_values",
    "split_credentials",
]
