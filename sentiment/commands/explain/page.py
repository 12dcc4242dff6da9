"""An explained text as a page of its own, which needs nothing from elsewhere."""

from html import escape

from sentiment.modeling.explanation.words import TextExplanation

_TERMS = 20
_STYLE = """
:root { --for: 22,138,83; --against: 206,61,47; --ink: #1d2125; --soft: #5c6570; --page: #fbfbfa;
  --line: #e3e3df; }
@media (prefers-color-scheme: dark) {
  :root { --for: 66,190,128; --against: 240,105,90; --ink: #e8eaec; --soft: #9aa4ae;
    --page: #16191c; --line: #30363c; }
}
body { margin: 0 auto; max-width: 46rem; padding: 2.5rem 1.25rem 4rem; background: var(--page);
  color: var(--ink); font: 17px/1.65 system-ui, sans-serif; }
h1 { font-size: 1.45rem; margin: 0 0 .2rem; }
h2 { font-size: 1rem; margin: 2.2rem 0 .6rem; }
p.facts, figcaption, th { color: var(--soft); font-size: .85rem; }
p.text { white-space: pre-wrap; overflow-wrap: anywhere; }
mark { color: inherit; border-radius: .2em; padding: .05em 0; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
td, th { border-bottom: 1px solid var(--line); padding: .22rem .4rem; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; width: 5rem; }
td.bar { width: 45%; }
td.bar span { display: block; height: .7em; border-radius: .2em; }
"""


def write_page(found: TextExplanation, facts: list[str]) -> str:
    """Return the page.

    Parameters
    ----------
    found : TextExplanation
        What is shown.
    facts : list of str
        Lines about the model.
    """
    label = escape(found.label)
    shares = ", ".join(f"{escape(name)} {p:.4f}" for name, p in found.probabilities.items())
    lines = "<br>".join(escape(fact) for fact in facts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Why this is {label}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Why this is {label}</h1>
<p class="facts">{shares}</p>
<p class="text">{_mark_words(found)}</p>
<p class="facts">What is <mark style="{_paint(1.0, 1.0)}">green</mark> speaks for {label}, what is
<mark style="{_paint(-1.0, 1.0)}">red</mark> against it, and the stronger the more; point at a word
for its number.</p>
<h2>The terms behind it</h2>
<table>
<thead><tr><th>term</th><th>log-odds</th><th>speaks for {label}, or against it</th></tr></thead>
<tbody>{_list_terms(found)}</tbody>
</table>
<p class="facts">{found.base:+.2f} before any word, {found.total - found.base:+.2f} by the words,
{found.total:+.2f} in all.<br>{lines}</p>
</body>
</html>
"""


def _mark_words(found: TextExplanation) -> str:
    most = max((abs(weight) for _, weight in found.words), default=0.0)
    return "".join(
        f'<mark style="{_paint(weight, most)}" title="{weight:+.3f}">{escape(word)}</mark>'
        if weight and word.strip()
        else escape(word)
        for word, weight in found.words
    )


def _paint(weight: float, most: float) -> str:
    side = "for" if weight > 0 else "against"
    return f"background: rgba(var(--{side}), {0.65 * abs(weight) / most:.3f})"


def _list_terms(found: TextExplanation) -> str:
    shown = found.terms[:_TERMS]
    most = max((abs(added) for _, added in shown), default=1.0)
    return "\n".join(
        f'<tr><td>{escape(term)}</td><td class="number">{added:+.3f}</td><td class="bar">'
        f'<span style="width: {100 * abs(added) / most:.1f}%; {_paint(added, abs(added))}"></span>'
        "</td></tr>"
        for term, added in shown
    )
