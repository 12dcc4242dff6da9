"""View of an explained text, as `explain` prints it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sentiment.commands.explain.job import ExplanationResult
from sentiment.commands.explain.view import show_explanation
from sentiment.modeling.explanation import TextExplanation


@pytest.mark.parametrize("terms", [[], [("fine", 0.5)]])
def test_a_text_without_known_terms_has_no_table(
    terms: list[tuple[str, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    probabilities = {"negative": 0.4, "positive": 0.6}
    found = TextExplanation(
        "positive", probabilities, [("fine", 0.0)], terms, 0.4, 0.4, prediction="unsure"
    )
    model = SimpleNamespace(uri="model.skops", run_id="")
    show_explanation(ExplanationResult(found, model, Path("page.html")))
    printed = capsys.readouterr().out
    message = "no term of this text is in the vocabulary of the model"
    assert (message in printed) == (not terms)
    assert ("for positive" in printed) == bool(terms)
    assert "predict  unsure" in printed
