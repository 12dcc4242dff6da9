"""Measure the figures of docs/benchmarks.md: python benchmarks/bench.py [name ...] [--rounds N].

Names are single benchmarks or groups; the default is all. Figures are medians of five rounds after
a warm-up round. Comparisons alternate in one process: ours, theirs, ours, theirs. Figures are
printed and added to those in outputs/bench.json. If the figures of all comparisons exist, they are
drawn to docs/bench.png.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import accuracy
import classes
import enduring
import failing
import few_labels
import hostile
import killing
import label_sets
import monitoring
import ordered
import peers
import polluting
import predicting
import processes
import scale
import serving
import significance
import suggesting
import sweeps
import vectorizing
from drawing import BARS, draw_ratios
from rich.console import Console
from rich.table import Table
from timing import Figure, Plan

ROOT = Path(__file__).resolve().parents[1]
GROUPS: dict[str, dict[str, Callable[[Plan], dict[str, Figure]]]] = {
    "processes": {
        "help": processes.bench_help,
        "mistake": processes.bench_mistake,
        "data": processes.bench_data,
        "fit_2000": processes.bench_fit_2000,
        "train_unigram": processes.bench_train_unigram,
        "train": processes.bench_train,
        "predict": processes.bench_predict,
    },
    "predicting": {
        "predict_large": predicting.bench_predict_large,
        "predict_first": predicting.bench_predict_first,
        "predict_fasttext": predicting.compare_predict_fasttext,
        "predict_memory": predicting.bench_predict_memory,
        "predict_killing": predicting.bench_predict_killing,
    },
    "serving": {"serving": serving.bench_serving, "endurance": enduring.bench_endurance},
    "monitoring": {
        "monitor": monitoring.bench_monitor,
        "false_alarms": monitoring.bench_false_alarms,
    },
    "vectorizing": {
        "pairs": vectorizing.compare_pairs,
        "triples": vectorizing.compare_triples,
        "characters": vectorizing.compare_characters,
        "transform": vectorizing.compare_transform,
        "cached_trial": vectorizing.compare_cached_trial,
    },
    "peers": {"scoring": peers.compare_scoring, "training": peers.compare_training},
    "scale": {"growth": scale.bench_growth, "memory": scale.bench_memory},
    "sweeps": {
        "search": sweeps.bench_search,
        "two_workers": sweeps.bench_workers,
        "killing": killing.bench_killing,
        "failing": failing.bench_failing,
    },
    "classes": {
        "classes_recipes": classes.bench_recipes,
        "classes_strengths": classes.bench_strengths,
        "classes_factors": classes.bench_factors,
        "classes_8": classes.compare_eight,
        "classes_8_accuracy": classes.compare_eight_folds,
        "classes_8_svm": classes.compare_eight_svm,
        "classes_2000": classes.bench_two_thousand,
        "label_sets": label_sets.compare_label_sets,
        "ordinal": ordered.bench_ordinal,
    },
    "few_labels": {
        "few_labels_reviews": few_labels.bench_reviews,
        "few_labels_docstrings": few_labels.bench_docstrings,
        "few_label_sets": few_labels.bench_label_sets,
        "suggestions": suggesting.bench_suggestions,
        "few_labels_speed": few_labels.bench_speed,
    },
    "statistics": significance.BENCHMARKS,
    "quality": {
        "accuracy": accuracy.bench_accuracy,
        "hostile": hostile.bench_hostile,
        "pollution": polluting.bench_pollution,
    },
}
BENCHMARKS = {name: work for group in GROUPS.values() for name, work in group.items()}
console = Console(width=max(120, Console().width))


def read_arguments() -> argparse.Namespace:
    """Return the command line, with groups replaced by their benchmarks."""
    listing = "; ".join(f"{group}: {', '.join(GROUPS[group])}" for group in GROUPS)
    summary = "Measure the figures of docs/benchmarks.md."
    parser = argparse.ArgumentParser(description=summary, epilog=listing)
    parser.add_argument("names", nargs="*", metavar="name", help="a benchmark or a group")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (5)")
    parser.add_argument(
        "--slow-rounds",
        type=int,
        help="the same for triples, characters, training, growth and two_workers",
    )
    parser.add_argument(
        "--json", type=Path, default=ROOT / "outputs" / "bench.json", help="where figures are kept"
    )
    parser.add_argument(
        "--picture", type=Path, default=ROOT / "docs" / "bench.png", help="the PNG file"
    )
    arguments = parser.parse_args()
    if arguments.slow_rounds is None:
        arguments.slow_rounds = arguments.rounds
    if min(arguments.rounds, arguments.slow_rounds) < 1:
        parser.error("there must be a round that counts")
    unknown = [name for name in arguments.names if name not in BENCHMARKS | GROUPS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {listing}")
    selected = [GROUPS.get(name, {name: None}) for name in arguments.names] or [BENCHMARKS]
    arguments.names = list(dict.fromkeys(name for names in selected for name in names))
    return arguments


def read_figures(path: Path) -> dict[str, dict[str, Any]]:
    """Return the figures of earlier runs on a machine like this one."""
    if not path.is_file():
        return {}
    document = json.loads(path.read_text())
    figures = document.get("figures", {}) if document.get("cores") == os.cpu_count() else {}
    return {name: figure for name, figure in figures.items() if "unit" in figure}


def write_figures(path: Path, figures: dict[str, dict[str, Any]]) -> None:
    """Write all figures with the number of cores of this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cores": os.cpu_count(), "figures": figures}, indent=2) + "\n")


def format_value(figure: Figure, value: float) -> str:
    """Return `value` with the unit of `figure`."""
    match figure.unit:
        case "x":
            return f"{value:.1f}x"
        case "exponent":
            return f"{value:.3f}"
        case "MB" | "reviews/s":
            return f"{value:,.0f} {figure.unit}"
        case unit:
            return f"{value:.2f} {unit}"


def format_goals(figure: Figure) -> str:
    """Return target and aim, and whether they are reached."""
    goals = {"target": figure.target, "aim": figure.aim}
    return "\n".join(
        f"{name} {goal:,g}: {'yes' if figure.reaches(goal) else 'no'}"
        for name, goal in goals.items()
        if goal is not None
    )


def format_details(figure: Figure) -> str:
    """Return the seconds of all timed functions, and further values."""
    lines = [
        f"{name}: {value:,.0f}" if value >= 1000 else f"{name}: {value:.4g}"
        for name, value in figure.more.items()
    ]
    if len(figure.seconds) > 1:
        lines += [
            f"{name}: {statistics.median(seconds):.2f} s ({min(seconds):.2f}-{max(seconds):.2f})"
            for name, seconds in figure.seconds.items()
        ]
    return "\n".join(lines)


def main() -> None:
    """Run the named benchmarks, or all."""
    arguments = read_arguments()
    table = Table("figure", "what", "measured", "min-max", "goals", "details", show_lines=True)
    all_figures, measured = read_figures(arguments.json), set()
    for name in arguments.names:
        console.print(f"{datetime.now().astimezone():%H:%M:%S} {name}", style="dim")
        with tempfile.TemporaryDirectory() as folder:
            plan = Plan(arguments.rounds, arguments.slow_rounds, Path(folder))
            figures = BENCHMARKS[name](plan)
        for key, figure in figures.items():
            all_figures[key] = asdict(figure) | {
                "at": datetime.now(UTC).isoformat(timespec="seconds")
            }
            measured.add(key)
            table.add_row(
                key,
                figure.what,
                format_value(figure, figure.value),
                f"{format_value(figure, figure.low)} - {format_value(figure, figure.high)}",
                format_goals(figure),
                format_details(figure),
            )
        write_figures(arguments.json, all_figures)
    if table.rows:
        console.print(table)
    missing = [name for name in BARS if name not in all_figures]
    if missing:
        console.print(f"no picture: {', '.join(missing)} not measured yet")
    elif measured & set(BARS):
        draw_ratios(all_figures, arguments.picture)
        console.print(f"drawn: {arguments.picture}")


if __name__ == "__main__":
    main()
