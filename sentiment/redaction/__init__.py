"""Remove secrets from everything that is recorded, printed or sent.

Two kinds of secrets are redacted: passwords in addresses, recognized by their position, and the
secrets of this process, recognized by their values. The process learns the latter from its settings
and environment at start, since drivers and servers repeat them in messages of any form.
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
