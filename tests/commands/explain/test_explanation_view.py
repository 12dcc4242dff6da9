"""View of an explained text, as `explain` prints it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sentiment.commands.explain.job import ExplanationResult
from sentiment.commands.explain.view import show_explanation
from sentiment.modeling.explanation import TextExplanation


@pytest.mark.parametrize("terms", [[], [("fine ", 0.5)]])
def test_a_text_without_known_terms_has_no_table(
    terms: list[tuple[str, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    probabilities = {"negative": 0.4, "positive": 0.6}
    explanation = TextExplanation(
        "positive", probabilities, [("fine", 0.0)], terms, 0.4, 0.4, prediction="unsure"
    )
    model = SimpleNamespace(uri="model.skops", run_id="")
    show_explanation(ExplanationResult(explanation, model, Path("page.html")))
    printed = capsys.readouterr().out
    message = "no term of this text is in the vocabulary of the model"
    assert (message in printed) == (not terms)
    assert ("for 'positive'" in printed) == bool(terms)
    assert ("fine␣" in printed) == bool(terms)
    assert "predict  'unsure'" in printed


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (3, "label    'class 2' ('class 0' 0.1667, 'class 1' 0.3333, 'class 2' 0.5000)"),
        (12, "label    'class 11' ('class 11' 0.1538, 'class 10' 0.1410, 'class 9' 0.1282, "),
    ],
)
def test_of_many_labels_the_most_probable_come_first(
    classes: int, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    total = classes * (classes + 1) / 2
    probabilities = {f"class {k}": (k + 1) / total for k in range(classes)}
    label = f"class {classes - 1}"
    explanation = TextExplanation(
        label, probabilities, [("fine", 0.0)], [], 0.4, 0.4, prediction=label
    )
    model = SimpleNamespace(uri="model.skops", run_id="")
    show_explanation(ExplanationResult(explanation, model, Path("page.html")))
    printed = capsys.readouterr().out
    assert expected in printed
    assert (" and 2 more)" in printed) == (classes == 12)
