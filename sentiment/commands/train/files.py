"""Files and facts of a training run, which a final fit writes, too."""

import json
from collections.abc import Sequence

import pandas as pd
from omegaconf import DictConfig
from sklearn.pipeline import Pipeline

from sentiment.commands.train.card import summarize_card, write_card
from sentiment.commands.train.curves import MAX_PANELS, measure_curves
from sentiment.commands.train.drawing import Drawing
from sentiment.commands.train.fitting import CV, CV_ROWS, Fitting
from sentiment.config import flatten, record_yaml
from sentiment.data.preparation import PreparedData
from sentiment.data.splitting import count_classes
from sentiment.modeling.evaluation import EXCERPT, scores_file
from sentiment.modeling.intervals import INTERVALS_FILE
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.reference import FOLDER, make_reference
from sentiment.modeling.score_tables import ScoreTable
from sentiment.modeling.thresholds import tabulate_rule
from sentiment.redaction import redact
from sentiment.tracking import CARD, RULES, provenance
from sentiment.tracking.folder import RunFacts, RunFolder

_EXAMPLE_ROWS = 3
SETTINGS = ("config.yaml", "overrides.txt", "versions.json")
_DESCRIPTION = 4000  # characters of a card that a run shows


def make_facts(
    name: str, tags: dict[str, str], choices: dict[str, str], cfg: DictConfig, fitting: Fitting
) -> RunFacts:
    """Return what is recorded of a training run, its metrics apart."""
    data = fitting.data
    return RunFacts(
        name=name,
        tags=tags,
        params=choices | list_params(cfg) | fitting.list_choices(),
        data=(data.name, data.fingerprint),
        examples=data.list_examples(_EXAMPLE_ROWS),
        columns={column.name: column.kind for column in data.columns},
    )


def list_params(cfg: DictConfig) -> dict[str, str]:
    """Return the settings that a run records, by dotted key."""
    return {key: str(value) for key, value in flatten(cfg).items() if not key.startswith("search.")}


def save_results(folder: RunFolder, fitting: Fitting, terms: pd.DataFrame | None) -> None:
    """Write the scores of all rows, those of all classes, the top terms and the quality report."""
    folder.add(INTERVALS_FILE).write_text(json.dumps(fitting.intervals, indent=2) + "\n")
    for split, predictions in fitting.predictions.items():
        texts = fitting.data.gather(CV_ROWS if split == CV else [split])["text"]
        table = predictions.to_frame().assign(excerpt=texts.str[:EXCERPT].to_numpy())
        fitting.classes[split].to_csv(folder.add(classes_file(split)), index=False)
        table.to_parquet(folder.add(scores_file(split)), compression="zstd")
    rule = tabulate_rule(fitting.predictions.get(CV, fitting.predictions["validation"]))
    folder.add(RULES).write_text(json.dumps({"max_f1": rule}, indent=2) + "\n")
    if terms is not None:
        terms.to_csv(folder.add("terms.csv"), index=False)
    report = json.dumps(fitting.data.report.to_dict(), indent=2)
    folder.add("quality.json").write_text(report + "\n")


def save_reference(
    folder: RunFolder, fitting: Fitting, pipeline: Pipeline, predictions: Predictions
) -> None:
    """Write the reference profile: the predictions of `pipeline` for the validation rows."""
    rows, report = fitting.data.validation, fitting.data.report
    reference = make_reference(pipeline, rows["text"], predictions, report, fitting.seed, rows)
    folder.include(reference.save(folder.path / FOLDER))


def save_settings(folder: RunFolder, cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Write the config, the overrides and the package versions of the run."""
    versions = json.dumps(provenance.read_versions(), indent=2)
    for name, text in zip(
        SETTINGS, (record_yaml(cfg), redact("\n".join(overrides)), versions), strict=True
    ):
        folder.add(name).write_text(text, encoding="utf-8")


def save_metrics(folder: RunFolder, facts: RunFacts, fitting: Fitting, scores: ScoreTable) -> None:
    """Write metrics and model card, and make a summary of the card the description of the run."""
    folder.add("metrics.json").write_text(json.dumps(facts.metrics, indent=2) + "\n")
    card = write_card(facts, fitting, scores)
    folder.add(CARD).write_text(card, encoding="utf-8")
    facts.description = summarize_card(card, _DESCRIPTION)


def classes_file(split: str) -> str:
    """Return the file, in the folder of a run, with the scores of each class of `split`."""
    return f"scores/{split}_classes.csv"


def list_figures(folder: RunFolder, split: str, predictions: Predictions) -> list[Drawing]:
    """Return the figures of the predictions of a split."""
    curves = measure_curves(predictions, split)
    names = ["roc", "precision_recall"]
    if predictions.separator is None:
        names = ["confusion", *names, "reliability"]
    return [(f"draw_{name}", curves, folder.add(f"figures/{split}_{name}.png")) for name in names]


def list_terms_figures(
    folder: RunFolder, terms: pd.DataFrame | None, data: PreparedData
) -> list[Drawing]:
    """Return the figure of the top terms, if there are any."""
    if terms is None:
        return []
    weights = {
        label: dict(zip(top["term"], top["weight"], strict=True))
        for label, top in terms.groupby("label", sort=False)
    }
    if len(weights) > MAX_PANELS:  # the first ones are drawn, so the most frequent come first
        counts = count_classes(data.train["label"], data.separator)
        weights = {label: weights[label] for label in counts}
    return [("draw_terms", weights, folder.add("figures/terms.png"))]
