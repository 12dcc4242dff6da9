"""Evidently metrics of this project: checks, words and performance.

Only this module and `reports` import Evidently. They are imported when a report is made, since
that takes several seconds.
"""

import pandas as pd
from evidently.core.datasets import Dataset
from evidently.core.metric_types import SingleValue, SingleValueCalculation, SingleValueMetric
from evidently.core.report import Context
from evidently.legacy.model.widget import BaseWidgetInfo
from evidently.legacy.options import ColorOptions
from evidently.legacy.renderers.html_widgets import (
    CounterData,
    WidgetSize,
    counter,
    plotly_figure,
    table_data,
)
from plotly import graph_objects as go

from sentiment.commands.monitor.tables import (
    CHECKS,
    TERMS,
    WINDOWS,
    format_effect,
    format_number,
    format_p_value,
)
from sentiment.modeling.drift import Check

_COLORS = ColorOptions()
_CURRENT, _REFERENCE = _COLORS.get_current_data_color(), _COLORS.get_reference_data_color()
# A plot has no room for more words.
_MAX_TERMS = 10


class Alarms(SingleValueMetric):
    """Number of alarms, with a table of all checks."""


class Effect(SingleValueMetric):
    """Effect size of one check, for the dashboard."""

    check: str


class ChangedTerms(SingleValueMetric):
    """Number of words that rose or fell, with a plot of the largest changes."""


class RightAnswers(SingleValueMetric):
    """The accuracy of the rows with a true label, with a plot over time."""


def _read(context: Context, name: str) -> pd.DataFrame:
    table: pd.DataFrame = context.additional_data[name].as_dataframe()
    return table


class _AlarmsCalculation(SingleValueCalculation[Alarms]):
    def display_name(self) -> str:
        return "Alarms"

    def calculate(
        self, context: Context, current_data: Dataset, reference_data: Dataset | None
    ) -> SingleValue:
        checks = [Check(*row) for row in _read(context, CHECKS).itertuples(index=False, name=None)]
        count = sum(check.drifted for check in checks)
        result = self.result(count)
        rows = [len(data.as_dataframe()) for data in (current_data, reference_data) if data]
        verdict = "No drift" if not count else f"Drift in {count} of {len(checks)} checks"
        counters = [
            CounterData(f"{rows[0]:,} current rows against {rows[-1]:,} of the reference", verdict)
        ]
        table = [
            [
                check.name, check.detail, format_number(check.reference),
                format_number(check.current), format_effect(check), check.measure,
                f"{check.threshold:.3g}", format_p_value(check.p_value),
                "drift" if check.drifted else "",
            ]
            for check in checks
        ]  # fmt: skip
        names = ["check", "of", "training", "current", "effect", "measured by", "matters from",
                 "corrected p", "verdict"]  # fmt: skip
        result.widget = [
            counter(counters=counters),
            table_data(column_names=names, data=table, title="Checks"),
        ]
        return result


class _EffectCalculation(SingleValueCalculation[Effect]):
    def display_name(self) -> str:
        return f"Effect of {self.metric.check}"

    def calculate(
        self, context: Context, current_data: Dataset, reference_data: Dataset | None
    ) -> SingleValue:
        checks = _read(context, CHECKS).set_index("name")
        result = self.result(float(checks.loc[self.metric.check, "effect"]))
        result.widget = []
        return result


class _ChangedTermsCalculation(SingleValueCalculation[ChangedTerms]):
    def display_name(self) -> str:
        return "Words that rose or fell"

    def calculate(
        self, context: Context, current_data: Dataset, reference_data: Dataset | None
    ) -> SingleValue:
        terms = _read(context, TERMS)
        result = self.result(len(terms))
        groups = {
            "Words that rose": terms[terms["effect"] > 0].head(_MAX_TERMS),
            "Words that fell": terms[terms["effect"] < 0].head(_MAX_TERMS),
        }
        plots = {title: words for title, words in groups.items() if len(words)}
        size = WidgetSize.HALF if len(plots) == len(groups) else WidgetSize.FULL
        result.widget = [_draw_terms(title, words, size) for title, words in plots.items()]
        if not plots:
            result.widget = [counter(counters=[CounterData("", "No word rose or fell")])]
        return result


class _RightAnswersCalculation(SingleValueCalculation[RightAnswers]):
    def display_name(self) -> str:
        return "Accuracy"

    def calculate(
        self, context: Context, current_data: Dataset, reference_data: Dataset | None
    ) -> SingleValue:
        table = _read(context, WINDOWS)
        result = self.result(float(table.iloc[1]["value"]))
        result.widget = [_draw_windows(table.iloc[0], table.iloc[2:])]
        return result


def _draw_terms(title: str, terms: pd.DataFrame, size: WidgetSize) -> BaseWidgetInfo:
    """Draw the shares of reference and current texts with each word."""
    terms = terms.iloc[::-1]  # bars are drawn from the bottom
    bars = [
        go.Bar(
            y=terms["term"],
            x=100 * terms[name],
            name=name,
            orientation="h",
            marker={"color": color},
        )
        for name, color in (("reference", _REFERENCE), ("current", _CURRENT))
    ]
    figure = go.Figure(bars)
    figure.update_layout(
        barmode="group",
        margin={"l": 110, "r": 20, "t": 30, "b": 40},
        xaxis={"title": "share of texts", "ticksuffix": " %"},
        yaxis={"type": "category"},
        legend={"orientation": "h", "y": 1.1, "traceorder": "reversed"},
    )
    return plotly_figure(title=title, figure=figure, size=size)


def _draw_windows(reference: pd.Series, windows: pd.DataFrame) -> BaseWidgetInfo:
    """Draw the accuracy of each window and the accuracy at training, with intervals."""
    figure = go.Figure(
        go.Scatter(
            x=windows["since"],
            y=100 * windows["value"],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": 100 * (windows["high"] - windows["value"]),
                "arrayminus": 100 * (windows["value"] - windows["low"]),
            },
            mode="lines+markers",
            name="current",
            marker={"color": _CURRENT},
        )
    )
    figure.add_hrect(
        y0=100 * reference["low"],
        y1=100 * reference["high"],
        fillcolor=_REFERENCE,
        opacity=0.2,
        line_width=0,
    )
    figure.add_hline(
        y=100 * reference["value"],
        line_color=_REFERENCE,
        annotation_text="at training",
        annotation_position="right",  # outside of the plot, where no interval is
    )
    figure.update_layout(
        showlegend=False,
        margin={"r": 90},
        xaxis={"title": "from", "type": "category"},
        yaxis={"title": "accuracy", "ticksuffix": " %"},
    )
    return plotly_figure(title="Accuracy over time, with intervals of 95 %", figure=figure)
