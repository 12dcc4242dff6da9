"""Explain: show the words behind a prediction for one text."""

import hashlib
import json
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig
from sklearn.pipeline import Pipeline

from sentiment.commands.explain.page import write_page
from sentiment.commands.predict.models import choose_model, choose_rule
from sentiment.config import make
from sentiment.errors import ConfigError, EmptyDataError, OutputExistsError, quote_list
from sentiment.files.columns import as_texts, strip_values
from sentiment.files.pipes import PIPE
from sentiment.modeling.columns import count_unused
from sentiment.modeling.explanation import TextExplanation
from sentiment.modeling.model_files import digest_file, load_model
from sentiment.modeling.pipeline import find_encoder, list_columns
from sentiment.modeling.scoring import BatchScorer, Predictor
from sentiment.tracking import ModelChoice, Tracker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExplanationResult:
    """Result of one explanation.

    Attributes
    ----------
    explanation : TextExplanation
        Contributions of words and terms to the label.
    model : ModelChoice
        The model.
    page : Path
        The HTML page.
    """

    explanation: TextExplanation
    model: ModelChoice
    page: Path


def explain(cfg: DictConfig) -> ExplanationResult:
    """Explain the prediction for one text, and write a page.

    Parameters
    ----------
    cfg : DictConfig
        The checked config of ``conf/explain.yaml``.

    Raises
    ------
    SentimentError
        The config, the text or the model cannot be used.
    """
    text = sys.stdin.read() if cfg.text == PIPE else cfg.text
    if not text.strip():
        raise EmptyDataError("'text'", "there is nothing in it")
    output = Path(cfg.output).expanduser() if cfg.output else None
    if output is not None and output.exists() and not cfg.overwrite:
        raise OutputExistsError(output)
    scorer: BatchScorer = make(cfg, "deploy", "score")
    tracker: Tracker = make(cfg, "tracking", "find_model")
    choice = choose_model(scorer, tracker, state=None)
    pipeline = load_model(choice.path, choice.digest)
    columns = read_columns(cfg.columns or {}, [*list_columns(pipeline)])
    _warn_about_unused(pipeline, columns)
    rule = choose_rule(scorer, tracker, choice, pipeline)
    explanation = Predictor(pipeline, rule).explain(text, columns, cfg.label)
    name = _name_page(text, choice.digest or digest_file(choice.path), columns, explanation)
    page = output or Path(cfg.outputs, "explanations", name).expanduser()
    page.parent.mkdir(parents=True, exist_ok=True)
    run = f"{choice.run_name}, run {choice.run_id}" if choice.run_id else str(choice.path)
    page.write_text(write_page(explanation, [f"model {choice.uri}", run, choice.why]))
    return ExplanationResult(explanation, choice, page)


def read_columns(values_by_name: Mapping[str, Any], names: Sequence[str]) -> dict[str, str | None]:
    """Check and return the values of all columns that a model reads beside the text."""
    missing = [column for column in names if column not in values_by_name]
    unknown = [column for column in values_by_name if column not in names]
    if missing:
        example = ", ".join(f"{column}: ..." for column in names)
        suffix = f", and has {quote_list(unknown)}" if unknown else ""
        raise ConfigError(
            [
                f"columns lacks {quote_list(missing)}, from which the model learned beside the "
                f"text{suffix}. Give all: 'columns={{{example}}}', null for a missing value."
            ]
        )
    if unknown:
        expected = quote_list(names) if names else "none"
        raise ConfigError([f"columns has {quote_list(unknown)}; the model reads {expected}."])
    values = strip_values(as_texts(values_by_name[column] for column in names)).to_pylist()
    return dict(zip(names, values, strict=True))


def _warn_about_unused(pipeline: Pipeline, columns: Mapping[str, str | None]) -> None:
    """Warn of values that the model cannot use, except missing values."""
    encoder, kinds = find_encoder(pipeline), list_columns(pipeline)
    if encoder is None:
        return
    for name, reasons in count_unused(encoder, pd.DataFrame([columns], dtype="str")).items():
        if "unreadable" in reasons:
            log.warning(
                "columns.%s is %r, which is not a %s and counts as missing",
                name, columns[name], kinds[name],
            )  # fmt: skip
        elif "unknown" in reasons:
            log.warning(
                "columns.%s is %r, which is in too few training rows, so the model ignores it",
                name, columns[name],
            )  # fmt: skip


def _name_page(
    text: str, digest: str, columns: Mapping[str, str | None], explanation: TextExplanation
) -> str:
    """Return a readable file name, unique for each text, model, columns, label and prediction."""
    words = "-".join(re.findall(r"[a-z0-9]+", text.lower())[:5])[:40]
    key = json.dumps([text, digest, columns, explanation.label, explanation.prediction])
    return f"{words or 'text'}-{hashlib.sha256(key.encode()).hexdigest()[:8]}.html"
