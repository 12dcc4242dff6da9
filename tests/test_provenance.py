import pytest

from sentiment.provenance import hide_passwords, make_public


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql+psycopg://ann:s3cret@db:5432/x", "postgresql+psycopg://ann:***@db:5432/x"),
        ("a=http://ann:s3cret@h b='ftp://:p@h'", "a=http://ann:***@h b='ftp://:***@h'"),
        ("postgresql://ann@db:5432/x", "postgresql://ann@db:5432/x"),
        ("http://127.0.0.1:5000/a@b", "http://127.0.0.1:5000/a@b"),
        ("sqlite:///a.db, mail me@example.org: at 12:30", None),
    ],
)
def test_passwords_are_hidden(text: str, expected: str | None) -> None:
    assert hide_passwords(text) == (expected or text)
    assert make_public({"x": text}) == {"x": expected or text}
