"""What a foreign program prints is shown in part, and its secrets are not."""

import pytest

from airflow_transition.core.redacted import redacted


@pytest.mark.parametrize(
    ("said", "secret"),
    [
        ("DB_PASSWORD=hunter2 is wrong", "hunter2"),
        ('{"token": "abc.def"}', "abc.def"),
        ("password: 'two words'", "two words"),
        ("Authorization: Bearer abcdefgh", "abcdefgh"),
        ("sent Bearer abcdefghijk to it", "abcdefghijk"),
        ("postgres://user:pw@db/x refused", "user:pw"),
        ("key AKIAIOSFODNN7EXAMPLEAKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "MIIE"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(said: str, secret: str) -> None:
    shown = redacted(said)
    assert secret not in shown
    assert "***" in shown


def test_an_honest_message_stays_readable() -> None:
    said = "cannot flush: table orders is locked by transaction 4711"
    assert redacted(said) == said


def test_only_the_end_is_shown_on_one_line() -> None:
    shown = redacted("first\n" + "word " * 500 + "\x1b[31mlast", limit=40)
    assert len(shown) == 43
    assert shown.startswith("...")
    assert shown.endswith("last")
    assert shown.isprintable()
