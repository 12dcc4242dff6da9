"""Evidently reports, and the workspace in which its dashboard shows them over time."""

import json
import re
import uuid
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from evidently import (
    BinaryClassification,
    DataDefinition,
    Dataset,
    MulticlassClassification,
    Report,
)
from evidently.core.report import Snapshot
from evidently.legacy.calculations.stattests import StatTest, register_stattest
from evidently.legacy.core import ColumnType
from evidently.legacy.utils import dashboard
from evidently.presets import ClassificationPreset, DataDriftPreset, DataSummaryPreset
from evidently.sdk.models import DashboardModel, DashboardTabModel, PanelMetric, ProjectModel
from evidently.sdk.panels import counter_panel, line_plot_panel
from evidently.ui.workspace import Workspace

from sentiment.commands.monitor.comparison import Comparison
from sentiment.commands.monitor.tables import TERMS, WINDOWS, make_tables
from sentiment.commands.monitor.widgets import Alarms, ChangedTerms, Effect, RightAnswers
from sentiment.errors import show_share
from sentiment.files.locking import hold_lock
from sentiment.modeling.descriptors import DESCRIPTORS
from sentiment.modeling.reference import Reference

_METHOD = "sentiment"
_TITLE_SHARE = re.compile(r"(?<=Drift is detected for )([\d.]+)%")
# A confusion matrix of more classes is not readable, and its cells take Evidently minutes.
_MOST_CLASSES = 50


def save_page(report: Snapshot, path: Path) -> None:
    """Write `report` as an HTML page, safe against markup in labels and file names.

    Evidently embeds JSON in a script without escaping: ``</script>`` in a string would end it. The
    share of columns in one of its titles has three decimals.
    """

    def dump(*args: Any, **kwargs: Any) -> str:
        text = json.dumps(*args, **kwargs).replace("<", "\\u003c")
        return _TITLE_SHARE.sub(lambda found: show_share(float(found[1]) / 100), text)

    before = dashboard.json
    dashboard.json = SimpleNamespace(dumps=dump)
    try:
        report.save_html(str(path))
    finally:
        dashboard.json = before


def make_report(
    reference: Reference, comparison: Comparison, name: str, tags: list[str]
) -> Snapshot:
    """Return an Evidently report of a comparison.

    Presets of Evidently show the distributions. Drift is that of the checks of this project, so
    that no two parts of a report contradict each other.

    Parameters
    ----------
    reference : Reference
        What training left.
    comparison : Comparison
        Result of `compare`.
    name : str
        Name of the report.
    tags : list of str
        Tags to find it by.
    """
    tables = make_tables(comparison)
    numbers = [c for c in (*DESCRIPTORS, "probability") if c in comparison.rows]
    _register_verdicts(comparison)
    labelled = _is_labelled(reference, comparison.rows)
    definition = _define(reference, numbers, labelled=labelled)
    columns = [*numbers, "prediction", *(["label"] if labelled else [])]
    drifting = [*numbers, "prediction"]
    report = Report(
        [
            Alarms(),
            *(Effect(check=check.name) for check in comparison.checks),
            *([ChangedTerms()] if TERMS in tables else []),
            *([RightAnswers()] if WINDOWS in tables else []),
            # Of fewer than ten columns, one is enough.
            DataDriftPreset(columns=drifting, method=_METHOD, drift_share=0.1),
            *([ClassificationPreset()] if labelled else []),
            DataSummaryPreset(columns=columns),
        ],
        tags=tags,
    )
    # Of a column that is constant, and of a single row, Evidently divides nothing by nothing; and
    # it calls pandas as pandas 4 will not be called.
    with warnings.catch_warnings(action="ignore"):
        return report.run(
            *(
                Dataset.from_pandas(frame[columns].reset_index(drop=True), definition)
                for frame in (comparison.rows, reference.rows)
            ),
            additional_data={key: Dataset.from_pandas(table) for key, table in tables.items()},
            name=name,
        )


def _is_labelled(reference: Reference, rows: pd.DataFrame) -> bool:
    """Return whether Evidently can measure quality: every row and every class has its label."""
    if "label" not in rows or rows["label"].hasnans or reference.separator is not None:
        return False
    if len(reference.classes) > _MOST_CLASSES:
        return False
    return all(set(reference.classes) == set(rows[name]) for name in ("label", "prediction"))


def _define(reference: Reference, numbers: list[str], *, labelled: bool) -> DataDefinition:
    """Return Evidently's definition of the columns."""
    task = None
    if labelled and len(reference.classes) == 2:
        task = BinaryClassification(
            target="label", prediction_labels="prediction", pos_label=reference.classes[1]
        )
    elif labelled:
        task = MulticlassClassification(target="label", prediction_labels="prediction")
    return DataDefinition(
        numerical_columns=numbers,
        categorical_columns=["prediction", *(["label"] if labelled else [])],
        classification=[task] if task else None,
    )


def _register_verdicts(comparison: Comparison) -> None:
    """Let Evidently take size and verdict of each column from the checks of this project."""
    checks = {check.name: check for check in comparison.checks}

    def judge(
        reference: pd.Series, current: pd.Series, kind: ColumnType, threshold: float
    ) -> tuple[float, bool]:
        check = checks[str(current.name)]
        return check.effect, check.drifted

    test = StatTest(
        name=_METHOD,
        display_name="size and significance",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
        default_threshold=min(check.threshold for check in comparison.checks),
    )
    register_stattest(test, judge)


def add_to_workspace(folder: Path, project: str, report: Snapshot) -> None:
    """Add `report` to the dashboard of `project` in the Evidently workspace `folder`.

    A project that is not there is made with its panels; later they are left as they are, so that
    a person can rearrange them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder / ".lock"):
        workspace = Workspace(str(folder))
        # By name, so that all processes mean the same one.
        key = uuid.uuid5(uuid.NAMESPACE_OID, project)
        if workspace.get_project(key) is None:
            workspace.add_project(ProjectModel(id=key, name=project))
            workspace.save_dashboard(key, _make_dashboard())
        workspace.add_run(key, report)


def _make_dashboard() -> DashboardModel:
    def effect(check: str) -> PanelMetric:
        return PanelMetric(metric="Effect", metric_labels={"check": check}, legend=check)

    alarms = PanelMetric(metric="Alarms", legend="alarms")
    accuracy = PanelMetric(metric="RightAnswers", legend="accuracy")
    rows = PanelMetric(metric="RowCount", legend="rows")
    plots: dict[str, tuple[str, list[PanelMetric]]] = {
        "Alarms": ("checks that found drift", [alarms]),
        "Accuracy": ("of the rows with a true label", [accuracy]),
        "Recall": ("how far that of the label fell that lost most", [effect("recall")]),
        "Texts": ("distance from training, in standard deviations", [*map(effect, DESCRIPTORS)]),
        "Probabilities": ("distance from training", [effect("probability")]),
        "Labels": ("odds ratio of the label that changed most", [effect("prediction")]),
        "Words": ("Cohen's h of the word that changed most", [effect("terms")]),
        "Quality": ("Cohen's h, above 0 if there are more", [effect("empty"), effect("repeated")]),
    }
    panels = [
        # Not the alarms, since the dashboard shows a count of 0 as no value.
        counter_panel("Rows", [rows], "of the last file", size="half"),
        counter_panel("Accuracy", [accuracy], "of the last file", size="half"),
        *(
            line_plot_panel(title, values, about, "half")
            for title, (about, values) in plots.items()
        ),
    ]
    tab = DashboardTabModel(title="Monitoring", panels=[panel.id for panel in panels])
    return DashboardModel(tabs=[tab], panels=panels)
