"""Alerts to a webhook, whose address stays secret."""

import logging
from collections.abc import Iterator

import pytest
from alert_receiver import PATH, Receiver, receive_alerts

from sentiment.redaction import redact
from sentiment.tracking import alerts
from sentiment.tracking.alerts import Webhook


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(alerts, "_PAUSES", (0.0, 0.0))
    with receive_alerts() as server:
        yield server


def test_alerts_arrive_in_both_forms_and_after_failures(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [500, 429]
    webhook = Webhook(receiver.url)
    webhook.send("drift", "of sqlite://ann:hunter22@db/x")
    webhook.close()
    assert [path for path, _ in receiver.received] == [PATH] * 3
    first, *_, last = [body for _, body in receiver.received]
    assert first == last
    assert last.keys() == {"event", "message", "time", "host"}
    assert (last["event"], last["message"]) == ("drift", "of sqlite://ann:***@db/x")
    slack = Webhook(receiver.url, "slack")
    slack.send("swap_failed", "a <b> & c")
    slack.close()
    text = "*sentiment: swap failed*\na &lt;b&gt; &amp; c"
    assert receiver.received[-1] == (PATH, {"text": text})
    assert caplog.text == ""


def test_nothing_secret_of_the_address_is_logged(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.statuses = [500] * 3
    dead = Webhook("http://127.0.0.1:1/services/T01/B02/anotherSecret?token=x123456")
    with caplog.at_level(logging.DEBUG):
        for webhook in (Webhook(receiver.url), dead):
            webhook.send("drift", "it is large")
            webhook.close()
        # Whatever else logs or records the address of this process's webhook.
        assert "aSecret" not in redact(f"POST {receiver.url} failed")
        assert "anotherSecret" not in redact("url=/services/T01/B02/anotherSecret?token=x123456")
    assert "an alert was not sent to http://127.0.0.1: the answer is 500" in caplog.text
    assert "refused" in caplog.text
    for secret in ("aSecret", "anotherSecret", "x123456", "services"):
        assert secret not in caplog.text
    # Of many at a time, the server waits for none.
    monkeypatch.setattr(alerts, "_QUEUE_SIZE", 1)
    monkeypatch.setattr(Webhook, "_run", lambda self: None)
    stuck = Webhook(receiver.url)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            stuck.send("drift", "again")
        stuck.close(seconds=0.01)
    assert "too many are waiting" in caplog.text
