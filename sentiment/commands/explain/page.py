"""HTML page of an explained text, without external resources."""

from pathlib import Path

from sentiment.cli.pages import render_page
from sentiment.modeling.explanation.words import TextExplanation

_MAX_TERMS = 20


def write_page(explanation: TextExplanation, facts: list[str]) -> str:
    """Return the page of an explanation.

    Parameters
    ----------
    explanation : TextExplanation
        The explanation.
    facts : list of str
        Lines about the model.
    """
    terms = explanation.terms[:_MAX_TERMS]
    return render_page(
        Path(__file__).with_name("page.html"),
        explanation=explanation,
        facts=facts,
        terms=terms,
        strongest_word=max((abs(weight) for _, weight in explanation.words), default=0.0),
        strongest_term=max((abs(contribution) for _, contribution in terms), default=1.0),
    )
