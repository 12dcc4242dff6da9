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
# A larger confusion matrix is not readable, and Evidently needs minutes to draw it.
_MAX_CLASSES = 50


def save_page(report: Snapshot, path: Path) -> None:
    """Write `report` as an HTML page, safe against markup in labels and file names.

    Evidently embeds JSON in a script without escaping: ``</script>`` in a string would end it. It
    also writes a share of columns with three decimals into a title, which is rounded here.
    """

    def dump(*args: Any, **kwargs: Any) -> str:
        text = json.dumps(*args, **kwargs).replace("<", "\\u003c")
        return _TITLE_SHARE.sub(lambda match: show_share(float(match[1]) / 100), text)

    original = dashboard.json
    dashboard.json = SimpleNamespace(dumps=dump)
    try:
        report.save_html(str(path))
    finally:
        dashboard.json = original


def make_report(
    reference: Reference, comparison: Comparison, name: str, tags: list[str]
) -> Snapshot:
    """Return an Evidently report of a comparison.

    Evidently's presets show the distributions. Their drift verdicts come from the checks of this
    project, so that no two parts of a report contradict each other.

    Parameters
    ----------
    reference : Reference
        Reference profile of training.
    comparison : Comparison
        Result of `compare`.
    name : str
        Name of the report.
    tags : list of str
        Tags of the report in the workspace.
    """
    tables = make_tables(comparison)
    numeric_columns = [name for name in (*DESCRIPTORS, "probability") if name in comparison.rows]
    _register_verdicts(comparison)
    has_labels = _has_labels(reference, comparison.rows)
    definition = _define_columns(reference, numeric_columns, has_labels=has_labels)
    drift_columns = [*numeric_columns, "prediction"]
    columns = [*drift_columns, *(["label"] if has_labels else [])]
    report = Report(
        [
            Alarms(),
            *(Effect(check=check.name) for check in comparison.checks),
            *([ChangedTerms()] if TERMS in tables else []),
            *([RightAnswers()] if WINDOWS in tables else []),
            # There are fewer than ten columns, so one that drifts is enough.
            DataDriftPreset(columns=drift_columns, method=_METHOD, drift_share=0.1),
            *([ClassificationPreset()] if has_labels else []),
            DataSummaryPreset(columns=columns),
        ],
        tags=tags,
    )
    # Evidently divides zero by zero for a constant column and for a single row, and uses features
    # of pandas that pandas 4 will remove.
    with warnings.catch_warnings(action="ignore"):
        return report.run(
            *(
                Dataset.from_pandas(frame[columns].reset_index(drop=True), definition)
                for frame in (comparison.rows, reference.rows)
            ),
            additional_data={key: Dataset.from_pandas(table) for key, table in tables.items()},
            name=name,
        )


def _has_labels(reference: Reference, rows: pd.DataFrame) -> bool:
    """Return whether Evidently can measure quality: all rows have labels, and all classes rows."""
    if "label" not in rows or rows["label"].hasnans or reference.separator is not None:
        return False
    if len(reference.classes) > _MAX_CLASSES:
        return False
    return all(set(reference.classes) == set(rows[name]) for name in ("label", "prediction"))


def _define_columns(
    reference: Reference, numeric_columns: list[str], *, has_labels: bool
) -> DataDefinition:
    """Return Evidently's definition of the columns."""
    task = None
    if has_labels and len(reference.classes) == 2:
        task = BinaryClassification(
            target="label", prediction_labels="prediction", pos_label=reference.classes[1]
        )
    elif has_labels:
        task = MulticlassClassification(target="label", prediction_labels="prediction")
    return DataDefinition(
        numerical_columns=numeric_columns,
        categorical_columns=["prediction", *(["label"] if has_labels else [])],
        classification=[task] if task else None,
    )


def _register_verdicts(comparison: Comparison) -> None:
    """Register a drift method that returns the effect and verdict of this project's checks."""
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

    A new project gets its panels here. Panels of an existing project are never changed, so that a
    user can rearrange them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder / ".lock"):
        workspace = Workspace(str(folder))
        # Derived from the name, so that all processes use the same project.
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
        "Recall": ("largest fall of the recall of a label", [effect("recall")]),
        "Texts": ("distance from training, in standard deviations", [*map(effect, DESCRIPTORS)]),
        "Probabilities": ("distance from training", [effect("probability")]),
        "Labels": ("odds ratio of the label that changed most", [effect("prediction")]),
        "Words": ("Cohen's h of the word that changed most", [effect("terms")]),
        "Quality": ("Cohen's h, above 0 for an increase", [effect("empty"), effect("repeated")]),
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
