"""Model card: a Markdown page on what a model is, how well it scores and what it learned from."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from sentiment.commands.train.fitting import RECIPE, Fitting
from sentiment.config import write_recorded
from sentiment.data.preparation import PreparedData
from sentiment.data.splitting import SPLITS
from sentiment.errors import list_classes, show_share
from sentiment.modeling.score_tables import ScoreTable, format_score, tabulate_classes
from sentiment.modeling.statistics import exact_interval
from sentiment.redaction import redact
from sentiment.redaction.printable import cut_middle, escape_markdown, make_printable
from sentiment.tracking import CARD, MODEL, RUN_ID, RunFacts

_LEARNED = {
    "train": "training rows",
    "train+validation": "training and validation rows, after it was scored",
    "all": "all labelled rows, after it was scored",
}
# Rows of the table of classes: the most frequent classes, and the worst of the others.
_CLASSES = (40, 10)
_LOADING = f"""From Python, beside this page:

```python
import sentiment

model = sentiment.load("{MODEL}")
model.predict(["great film", "a bore"])
```

On a file: `sentiment predict input=reviews.csv deploy.run={MODEL}`. It is a plain scikit-learn
pipeline, and no pickle. Without this package, `mlflow.sklearn.load_model` opens it, and so does
skops, after you have looked at the functions of Python that it names:

```python
import pandas as pd
import skops.io

names = skops.io.get_untrusted_types(file="{MODEL}")
model = skops.io.load("{MODEL}", trusted=names)
model.predict(pd.DataFrame({{"text": ["great film", "a bore"]}}))
```
"""
# For a model with parts that cannot be checked without its run.
_OWN_LOADING = f"""By its run, from the store that has it and with the packages that it needs:

```python
import sentiment

model = sentiment.load("{RUN_ID}")
model.predict(["great film", "a bore"])
```

On a file: `sentiment predict input=reviews.csv deploy.run='{RUN_ID}'`. Alone, the file
is one from elsewhere, which is not loaded: {{}}. It is not a pickle.
"""


def write_card(facts: RunFacts, fitting: Fitting, scores: ScoreTable) -> str:
    """Return the card of the model of a run.

    Text from data or settings is escaped or fenced, and secrets are masked.

    Parameters
    ----------
    facts : RunFacts
        Name, settings and metrics of the run.
    fitting : Fitting
        Its data, its final model and the scores of each class.
    scores : ScoreTable
        Its main scores.
    """
    data, fitted_on = fitting.data, fitting.fitted_on
    sections = {
        "": _describe(facts, data, fitted_on),
        "Scores": _describe_scores(facts, data, scores, fitted_on),
        "Classes": _describe_classes(fitting.classes["test"]),
        "Limits": "\n".join(f"- {limit}" for limit in _list_limits(facts, fitting)),
        "How to load it": _explain_loading(facts.audit),
        "Settings": _fence("\n".join(_list_settings(facts)), "yaml"),
    }
    parts = [f"## {title}\n\n{text}" if title else text for title, text in sections.items()]
    return redact("\n\n".join([f"# {_escape(facts.name)}", *parts]) + "\n")


def summarize_card(card: str, length: int) -> str:
    """Return at most `length` characters of the card, without the settings, which runs show."""
    text = card.partition("\n## Settings")[0].rstrip()
    if len(text) <= length:
        return text
    reference = f"\n\nThe rest is in {CARD}."
    return text[: length - len(reference)].rpartition("\n")[0] + reference


def _describe(facts: RunFacts, data: PreparedData, fitted_on: str) -> str:
    rows = {
        "classes": _escape(list_classes(data.class_rows)),
        "data": f"{_name_data(facts)}, fingerprint {data.fingerprint[:12]}",
        "splits": ", ".join(f"{len(getattr(data, split)):,} {split}" for split in SPLITS),
        "columns": ", ".join(_escape(column.describe()) for column in data.columns),
        "learned from": f"{_count_fitted(facts)} of {data.rows:,}: {_LEARNED[fitted_on]}",
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    table = _tabulate(["", ""], [(name, value) for name, value in rows.items() if value])
    # In a table, a bar of the command would need a backslash, which a copy would keep.
    return f"{table}\n\n{_fence(facts.tags['command'], 'bash')}"


def _name_data(facts: RunFacts) -> str:
    """Return the name of the data and those of its files, whose folders may be private."""
    sources = [facts.params.get(f"data.{key}", "None") for key in ("path", "test_path")]
    paths = [urlsplit(s).path if "://" in s else s for s in sources if s != "None"]
    files = [PurePath(path).name for path in paths]
    return _escape(facts.tags["data"]) + "".join(f", {_code(file)}" for file in files if file)


def _describe_scores(
    facts: RunFacts, data: PreparedData, scores: ScoreTable, fitted_on: str
) -> str:
    rows = [[name, *cells] for name, cells in scores.rows.items()]
    note = "In brackets: 95 % intervals, exact binomial or approximate bootstrap (ABC) ones."
    if fitted_on != "train":
        train = f"{len(data.train):,}"
        note = f"They are those of the same settings, fitted on {train} training rows. {note}"
        if "final/accuracy" in facts.metrics:  # the test rows are new to it
            accuracy, size = facts.metrics["final/accuracy"], len(data.test)
            note += (
                " The accuracy of the saved model on test rows is "
                f"{_format_share(round(accuracy * size), size)}."
            )
    if "rows/cv" in facts.metrics:
        scored = f"{facts.metrics['rows/cv']:,.0f}"
        note += f" Scores cv are of {scored} training and validation rows in cross-validation."
    return f"{_tabulate(['metric', *scores.splits], rows)}\n\n{note}"


def _describe_classes(classes: pd.DataFrame) -> str:
    """Return precision, recall and F1 of the classes on test rows."""
    table = tabulate_classes(classes, *_CLASSES)
    rows = [[_escape(cut_middle(label)), *cells] for label, *cells in table]
    note = "On test rows:"
    if len(rows) < len(classes):
        note = (
            f"On test rows, the {_CLASSES[0]} most frequent of {len(classes):,} classes and the "
            f"{_CLASSES[1]} worst of the others by F1:"
        )
    return f"{note}\n\n" + _tabulate(["class", "precision", "recall", "F1", "rows"], rows)


def _list_limits(facts: RunFacts, fitting: Fitting) -> Iterable[str]:
    data, fitted_on = fitting.data, fitting.fitted_on
    origin = "the official one of the data" if data.official_test else "random, stratified"
    yield (
        f"The split is {origin}: the scores hold for texts like those of "
        f"{_name_data(facts)}. On other texts, label some and compare."
    )
    if facts.tags.get("sample") == "true":
        yield "It has learned from a sample of the data, for a quick look."
    if fitted_on == "train":
        share = show_share(len(data.train) / data.rows)
        yield f"It has learned from {share} of the labels; `sentiment finalize` uses the rest."
    else:
        learned = "training or validation rows" if fitted_on != "all" else "rows of these data"
        yield (
            f"A score on {learned} would be too good, since it has learned from them: compare new "
            "labels instead."
        )
    if "test/ece" in facts.metrics:
        error = facts.metrics["test/ece"]
        yield f"Its probabilities are off by {error:.3f} on average (expected calibration error)."
    if data.separator is not None:
        yield (
            f"A text may have several labels, with {_code(data.separator)} between them, or none; "
            "accuracy is that of whole sets."
        )
    yield from map(_escape, fitting.warnings)


def _explain_loading(audit: str) -> str:
    """Return how to load a model; `audit` is why it cannot be loaded without its run, if so."""
    return (_OWN_LOADING.format(_escape(audit)) if audit else _LOADING).rstrip()


def _list_settings(facts: RunFacts) -> list[str]:
    """Return the settings on which the model and its scores depend."""
    return [
        f"{key}: {write_recorded(value)}"
        for key, value in sorted(facts.params.items())
        if key.partition(".")[0] in (*RECIPE, "refit")
    ]


def _count_fitted(facts: RunFacts) -> str:
    return f"{facts.metrics['rows/fitted']:,.0f}"


def _format_share(count: int, size: int) -> str:
    """Return a share of rows and its interval."""
    if not size:
        return "none"
    low, high = exact_interval(np.array([count]), np.array([size]))[:, 0].tolist()
    return format_score(count / size, (low, high))


def _tabulate(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _escape(text: str) -> str:
    """Return untrusted text as Markdown that shows it literally, also in a table."""
    return escape_markdown(text).replace("|", "\\|")


def _code(text: str) -> str:
    """Return untrusted text as code, also for a table, where a bar ends even that."""
    cell = make_printable(text, None).replace("|", "\\|")
    return _escape(text) if "`" in text else f"`{cell}`"


def _fence(text: str, language: str) -> str:
    """Return untrusted text as a block of code that nothing in it can end."""
    text = make_printable(text, None, keep="\n")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
