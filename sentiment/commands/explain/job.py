"""Explain: show why a tracked model takes one text for what it does."""

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from sentiment.commands.explain.page import write_page
from sentiment.commands.predict.choices import choose_model
from sentiment.config import make
from sentiment.errors import EmptyDataError, OutputExistsError, SeveralLabelsError
from sentiment.files.pipes import PIPE
from sentiment.modeling.explanation import TextExplanation, explain_text
from sentiment.modeling.model_files import load_model
from sentiment.modeling.pipeline import find_separator
from sentiment.modeling.scoring import BatchScorer
from sentiment.tracking import ModelChoice, Tracker


@dataclass(frozen=True)
class ExplanationResult:
    """Result of one explanation.

    Attributes
    ----------
    explanation : TextExplanation
        Why the text was given its label.
    model : ModelChoice
        The model that gave it.
    page : Path
        The page that shows it.
    """

    explanation: TextExplanation
    model: ModelChoice
    page: Path


def explain(cfg: DictConfig) -> ExplanationResult:
    """Explain one text, and write a page of it.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/explain.yaml``, checked.

    Raises
    ------
    SentimentError
        The config, the text or the model cannot be used.
    """
    text = sys.stdin.read() if cfg.text == PIPE else cfg.text
    if not text.strip():
        raise EmptyDataError("'text'", "there is nothing in it")
    page = Path(cfg.output or Path(cfg.outputs, "explanations", _name_page(text))).expanduser()
    if cfg.output is not None and page.exists() and not cfg.overwrite:
        raise OutputExistsError(page)
    scorer: BatchScorer = make(cfg, "deploy", "score")
    tracker: Tracker = make(cfg, "tracking", "find_model")
    choice = choose_model(scorer, tracker, state=None)
    pipeline = load_model(choice.path, choice.digest)
    if find_separator(pipeline) is not None:
        raise SeveralLabelsError(
            "explain", "The weights of the terms for each label are in terms.csv of its run."
        )
    found = explain_text(pipeline, text)
    page.parent.mkdir(parents=True, exist_ok=True)
    run = f"{choice.run_name}, run {choice.run_id}" if choice.run_id else str(choice.path)
    page.write_text(write_page(found, [f"model {choice.uri}", run, choice.why]))
    return ExplanationResult(found, choice, page)


def _name_page(text: str) -> str:
    """Return a name by which a person knows the text again, and no two texts have."""
    words = "-".join(re.findall(r"[a-z0-9]+", text.lower())[:5])[:40]
    return f"{words or 'text'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.html"
