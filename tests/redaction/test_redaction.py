"""Redaction masks secrets in every encoding, and nothing else."""

import json
import logging
import shlex
from collections.abc import Callable
from html import escape
from urllib.parse import quote, quote_plus

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from sentiment.config import compose, flatten, record_config, record_yaml
from sentiment.config.recording import read_recorded
from sentiment.errors import ConfigError
from sentiment.redaction import (
    Redactor,
    format_error,
    learn_secrets,
    protect_process,
    redact,
    redact_values,
    split_credentials,
)
from sentiment.redaction.redactor import PUBLIC_PASSWORDS

AWKWARD = ["p/w", "p'w\"", "p w", "p%2Fw", "p@w", "pässwörd", "p:w", "p#w", "p?w", "p\\w'", "p,w"]
ENCODINGS: list[Callable[[str], str]] = [
    str,
    repr,
    ascii,
    shlex.quote,
    lambda text: shlex.quote(f"python -m x train={shlex.quote(text)}"),
    json.dumps,
    lambda text: json.dumps(json.dumps(text)),
    lambda text: yaml.safe_dump({"path": text}),
    lambda text: yaml.safe_dump({"path": text}, allow_unicode=True, default_style='"'),
    quote,
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text, safe=""), safe=""),
    quote_plus,
    escape,
    lambda text: text.replace("%", "%%"),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql+psycopg://ann:s3cret@db:5432/x", "postgresql+psycopg://ann:***@db:5432/x"),
        ("a=http://ann:s3cret@h b='ftp://:p@h'", "a=http://ann:***@h b='ftp://:***@h'"),
        ("at 'postgresql://ann:p w@h/db' now", "at 'postgresql://ann:***@h/db' now"),
        ("pg://u:one@h/a,pg://u:two@h/b", "pg://u:***@h/a,pg://u:***@h/b"),
        ("x pg://h/db?user=a&password=zz9&y=1'", "x pg://h/db?user=a&password=***&y=1'"),
        ("pg://h/db?sslpassword=zz9", "pg://h/db?sslpassword=***"),
        ("http://h/x?a=1&token=zz9)", "http://h/x?a=1&token=***)"),
        ("http://h/x?key=zz9&pass=a&pw=b", "http://h/x?key=***&pass=***&pw=***"),
        ("SELECT dblink('host=x password=foo')", "SELECT dblink('host=x password=***')"),
        ("ALTER USER ann PASSWORD 'foo'", "ALTER USER ann PASSWORD '***'"),
        ('{"api_key": "abc"}', '{"api_key": "***"}'),
        ("postgresql://ann@db:5432/x", None),
        ("http://127.0.0.1:5000/a@b", None),
        ("http://[::1]:5000/a@b", None),
        ("sqlite:///a.db, mail me@example.org: at 12:30", None),
        ("sqlite:////x/a:b@c.db", None),
        ("features.token_pattern='(?u)\\b\\w+' max_token_count=3", None),
        ("password: incorrect", None),
    ],
)
def test_addresses_are_redacted_wherever_they_are(text: str, expected: str | None) -> None:
    assert redact(text) == (expected or text)
    assert redact_values({"x": text}) == {"x": expected or text}
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("password", AWKWARD)
def test_a_known_password_is_redacted_in_every_encoding(
    password: str, encode: Callable[[str], str]
) -> None:
    for address in (
        f"postgresql://ann:{password}@h:5/db",
        f"postgresql://h:5/db?password={password}",
    ):
        for setting in (address, f"data.path={address}", f"data.path='{address}'"):
            redactor = Redactor()
            redactor.learn(setting)
            # The database is named without a "w", so one that is left is of the password.
            for text in (encode(address), encode(password), encode(f"cannot use {password}!")):
                remaining = redactor.redact(text).replace("password", "")
                assert "w" not in remaining.casefold(), (setting, text, remaining)


@pytest.mark.slow
@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=6))
def test_any_encoded_password_is_redacted_as_written_and_as_decoded(password: str) -> None:
    assume(password.lower() not in PUBLIC_PASSWORDS)
    redactor = Redactor()
    redactor.learn(f"postgresql://ann:{quote(password, safe='')}@host/db")
    redacted = redactor.redact(
        f"<{password}> <{quote(password, safe='')}> <{json.dumps(password)}>"
    )
    # Quotes around a password that has quotes itself may be masked with it.
    assert redacted.replace('"', "") == "<***> <***> <***>"


def test_a_default_password_is_redacted_in_addresses_only() -> None:
    redactor = Redactor()
    redactor.learn("tracking.uri=postgresql://mlflow:mlflow@mlflow/mlflow")
    redactor.learn("data.path=postgresql://reviews:reviews@db/x")
    text = "mlflow.db of reviews at postgresql://mlflow:mlflow@mlflow/mlflow"
    assert redactor.redact(text) == (
        "mlflow.db of reviews at postgresql://mlflow:***@mlflow/mlflow"
    )


def test_short_secrets_are_not_found_inside_words() -> None:
    redactor = Redactor()
    redactor.learn("postgresql://ann:abc@h/db")
    assert redactor.redact("abc abcess xabc (abc)") == "*** abcess xabc (***)"


def test_the_environment_is_searched_for_secrets() -> None:
    redactor = Redactor()
    redactor.learn_environment(
        {
            "MLFLOW_TRACKING_PASSWORD": "hunter2-x",
            "PREFECT_API_KEY": "pnu_12345678",
            "PREFECT_API_URL": "https://ann:s3cr3t-y@prefect/api",
            "TOKENIZERS_PARALLELISM": "false-name",
            "LANG": "C.UTF-8",
        }
    )
    text = "hunter2-x pnu_12345678 s3cr3t-y false-name C.UTF-8"
    assert redactor.redact(text) == "*** *** *** false-name C.UTF-8"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://ann:p%40w@h:5000/x", ("http://h:5000/x", "ann", "p@w")),
        ("https://ann:p/w@h", ("https://h", "ann", "p/w")),
        ("http://h:5000", ("http://h:5000", None, None)),
        ("sqlite:///a.db", ("sqlite:///a.db", None, None)),
    ],
)
def test_credentials_are_split_from_an_address(
    address: str, expected: tuple[str, str | None, str | None]
) -> None:
    assert split_credentials(address) == expected


def test_log_records_and_tracebacks_are_redacted(caplog: pytest.LogCaptureFixture) -> None:
    protect_process()
    learn_secrets(["data.path=postgresql://ann:in-no-log@h/db"])
    try:
        raise ValueError("could not use in-no-log\x1b[31m")
    except ValueError as error:
        logging.getLogger("a.library").exception("with %s and %d", "in%2Dno%2Dlog", 3)
        assert format_error(error).endswith("could not use ***\\x1b[31m\n")
    assert "with *** and 3" in caplog.text
    assert "in-no-log" not in caplog.text
    assert "could not use ***" in caplog.text


def test_errors_show_no_secret() -> None:
    error = ConfigError(["data.path is 'pg://ann:zz9@h', which is wrong."])
    assert str(error) == "data.path is 'pg://ann:***@h', which is wrong."
    assert "zz9" not in repr(error)


def test_a_recorded_config_names_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEWS_DB", "postgresql://ann:in-no-config@db/reviews")
    overrides = ["data=csv", "data.path=${oc.env:REVIEWS_DB}", "data.table=${data.path}"]
    cfg = compose("train", overrides)
    assert cfg.data.path == "postgresql://ann:in-no-config@db/reviews"
    assert flatten(cfg)["data.path"] == "${oc.env:REVIEWS_DB}"
    assert "in-no-config" not in record_yaml(cfg)
    assert "path: ${oc.env:REVIEWS_DB}" in record_yaml(cfg)
    # What refers to such a setting is not resolved, either; all else is.
    assert flatten(cfg)["data.table"] == "${data.path}"
    assert flatten(cfg)["tracking.artifacts"] == "outputs/artifacts"
    assert read_recorded(cfg.data, "path") == "${oc.env:REVIEWS_DB}"
    assert read_recorded(cfg.tracking, "artifacts") == "outputs/artifacts"


def test_a_recorded_config_has_no_passwords_in_lists_and_texts() -> None:
    cfg = OmegaConf.create(
        {"a": ["pg://u:zz9@h", 3, None], "query": "SELECT 'password=zz9'", "missing": "???"}
    )
    assert record_config(cfg) == {
        "a": ["pg://u:***@h", 3, None],
        "query": "SELECT 'password=***'",
        "missing": "???",
    }
