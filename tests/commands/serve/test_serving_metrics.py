"""Metrics of the server, held to what prometheus_client counts one by one."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sentiment.commands.serve.bodies import Texts
from sentiment.commands.serve.metrics import SCORES, Metrics

PROBABILITIES = st.lists(st.floats(0, 1) | st.sampled_from(SCORES), min_size=1, max_size=40)


def read_samples(metrics: Metrics) -> dict[tuple[Any, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in metrics._aggregate().collect()
        for sample in family.samples
    }


@given(st.lists(PROBABILITIES, min_size=1, max_size=3))
def test_texts_of_one_request_count_as_if_each_had_come_alone(
    requests: list[list[float]],
) -> None:
    together, alone = Metrics(window=100), Metrics(window=100)
    model: Any = SimpleNamespace(uri="models:/m-1")
    for probabilities in requests:
        labels = ["good" if probability > 0.5 else "bad" for probability in probabilities]
        predictions: dict[str, list[Any]] = {"prediction": labels, "probability": probabilities}
        together.count_texts("r", model, Texts([""] * len(labels), {}, len(labels)), predictions)
        for label, probability in zip(labels, probabilities, strict=True):
            prediction: dict[str, list[Any]] = {"prediction": [label], "probability": [probability]}
            alone.count_texts("r", model, Texts([""], {}, 1), prediction)
    assert together.recent.gather() == alone.recent.gather()
    ours, theirs = read_samples(together), read_samples(alone)
    assert ours.keys() == theirs.keys()
    counted = [key for key in ours if not key[0].startswith("sentiment_request_texts")]
    assert any(key[0] == "sentiment_probability_bucket" for key in counted)
    for key in counted:
        assert abs(ours[key] - theirs[key]) < 1e-9, key
