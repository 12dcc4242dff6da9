"""Figures of a comparison as a textfile for the node exporter of Prometheus."""

import time
from pathlib import Path

from sentiment.commands.monitor.comparison import Comparison
from sentiment.files.replacing import replace_file

_HELP = {
    "sentiment_drift": "1 if the rows have drifted from training, by check.",
    "sentiment_drift_effect": "Size of the difference.",
    "sentiment_drift_threshold": "Size from which a difference is drift.",
    "sentiment_drift_texts": "Rows that were compared with the reference.",
    "sentiment_monitor_accuracy": "Share of right predictions, of rows with a true label.",
    "sentiment_monitor_timestamp_seconds": "When this was measured.",
}


def write_textfile(path: Path, comparison: Comparison, model: str) -> None:
    """Write the figures under the metric names of a server's ``/metrics``.

    The node exporter may read the files of its ``--collector.textfile.directory`` at any time, so
    the file is replaced atomically.

    Parameters
    ----------
    path : Path
        The file; its name ends with ``.prom``.
    comparison : Comparison
        Result of `compare`.
    model : str
        Address of the model.
    """
    values: dict[str, dict[str, float]] = {name: {} for name in _HELP}
    model_label = f'model="{_escape(model)}"'
    for check in comparison.checks:
        labels = f'check="{_escape(check.name)}",{model_label}'
        values["sentiment_drift"][labels] = float(check.drifted)
        values["sentiment_drift_effect"][labels] = check.effect
        values["sentiment_drift_threshold"][labels] = check.threshold
    values["sentiment_drift_texts"][model_label] = len(comparison.rows)
    if comparison.performance is not None:
        values["sentiment_monitor_accuracy"][model_label] = comparison.performance.current.value
    values["sentiment_monitor_timestamp_seconds"][model_label] = time.time()
    lines = []
    for name, help_text in _HELP.items():
        if values[name]:
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
            lines += [f"{name}{{{labels}}} {value!r}" for labels, value in values[name].items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, ("\n".join(lines) + "\n").encode())


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
