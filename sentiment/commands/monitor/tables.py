"""The results of a comparison as tables, numbers and JSON."""

import re
from dataclasses import asdict
from typing import Any

import pandas as pd

from sentiment.commands.monitor.comparison import Comparison
from sentiment.modeling.drift import FALL, WORSENING, Check

_NOT_IN_NAMES = re.compile(r"[^\w. /:-]")
# Names of the tables that a report shows.
CHECKS, TERMS, WINDOWS = "checks", "terms", "windows"
# Words for an effect above and below 0, of the measures that have a direction.
_DIRECTIONS = {FALL: ("fell", "rose"), WORSENING: ("worse", "better")}


def make_tables(comparison: Comparison) -> dict[str, pd.DataFrame]:
    """Return the checks and, if they are known, the words that changed and the performance.

    The first two rows of the performance are of the reference and of all current rows.
    """
    tables = {CHECKS: pd.DataFrame([asdict(check) for check in comparison.checks])}
    if comparison.terms is not None:
        tables[TERMS] = comparison.terms.rename_axis("term").reset_index()
    performance = comparison.performance
    if performance is not None:
        rows = [performance.reference, performance.current, *performance.windows]
        tables[WINDOWS] = pd.DataFrame([asdict(row) for row in rows])
    return tables


def list_metrics(comparison: Comparison) -> dict[str, float]:
    """Return the metrics that the tracker records."""
    metrics = {"alarms": float(len(comparison.drifted))}
    for check in comparison.checks:
        # MLflow allows fewer characters in metric names than a file in its column names.
        name = _NOT_IN_NAMES.sub("_", check.name)
        metrics |= {f"effect/{name}": check.effect, f"p_value/{name}": check.p_value}
    if comparison.performance is not None:
        metrics["accuracy"] = comparison.performance.current.value
    return metrics


def make_document(comparison: Comparison, facts: dict[str, Any]) -> dict[str, Any]:
    """Return the results as plain containers, after the `facts` about the job."""
    tables = make_tables(comparison)
    return {
        **facts,
        "drifted": comparison.drifted,
        **{name: table.to_dict("records") for name, table in tables.items()},
    }


def format_number(value: float) -> str:
    """Return a mean or a share, rounded for display."""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:,.{decimals}f}"


def format_effect(check: Check) -> str:
    """Return an effect size, rounded for display, with its direction in words if it has one."""
    if check.measure not in _DIRECTIONS or check.effect == 0:
        return f"{check.effect:.3f}"
    worse, better = _DIRECTIONS[check.measure]
    return f"{worse if check.effect > 0 else better} {abs(check.effect):.3f}"


def format_p_value(value: float) -> str:
    """Return a p-value, rounded for display."""
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"
