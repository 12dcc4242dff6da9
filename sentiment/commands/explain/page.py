"""HTML page of an explained text, without external resources."""

from pathlib import Path

from sentiment.cli.pages import render_page
from sentiment.modeling.explanation.words import TextExplanation

_TERMS = 20


def write_page(found: TextExplanation, facts: list[str]) -> str:
    """Return the page.

    Parameters
    ----------
    found : TextExplanation
        The explanation.
    facts : list of str
        Lines about the model.
    """
    terms = found.terms[:_TERMS]
    return render_page(
        Path(__file__).with_name("page.html"),
        found=found,
        facts=facts,
        terms=terms,
        strongest_word=max((abs(weight) for _, weight in found.words), default=0.0),
        strongest_term=max((abs(added) for _, added in terms), default=1.0),
    )
