"""Result and report of a prediction job."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sentiment.errors import quote_name
from sentiment.files.columns import ColumnChoice
from sentiment.files.partial import PartialOutput
from sentiment.files.pipes import StreamOutput
from sentiment.files.tally import Tally
from sentiment.modeling.decision_rules import DecisionRule, read_rule
from sentiment.redaction.printable import tabulate_html
from sentiment.tracking import ModelChoice

_MAX_LISTED_LABELS = 10


@dataclass(frozen=True, repr=False)
class PredictionResult:
    """Result of one prediction job.

    Attributes
    ----------
    output : Path
        The written file; ``-`` for standard output.
    rejected : Path or None
        The file of rejected rows, if any row was rejected.
    report : Path or None
        The report of the job, if the output is a file.
    model : ModelChoice
        The model.
    text_column : ColumnChoice
        The column of texts, and why it was chosen.
    rule : DecisionRule
        The decision rule.
    tally : Tally
        Counts of the rows.
    seconds : float
        Working time of this process.
    resumed : int
        Rows that earlier processes had predicted.
    assumed : list of str
        Uncertain guesses about the layout of the input, in words.
    """

    output: Path
    rejected: Path | None
    report: Path | None
    model: ModelChoice
    text_column: ColumnChoice
    rule: DecisionRule
    tally: Tally
    seconds: float
    resumed: int
    assumed: list[str]

    def __repr__(self) -> str:
        rows = f"{self.tally.written:,} of {self.tally.read:,} rows"
        return f"<PredictionResult {rows}: {list_labels(self.tally.counts)}; {self.output}>"

    def _repr_html_(self) -> str:
        tally = self.tally
        return tabulate_html(
            {
                "model": f"{self.model.uri} {self.model.run_name}".rstrip(),
                "rows": f"{tally.read:,} read, {tally.written:,} written",
                "labels": list_labels(tally.counts),
                "rejected": f"{tally.rejected:,} rows: {self.rejected}" if self.rejected else "",
                "output": str(self.output),
            }
        )


def list_labels(counts: Mapping[str, int]) -> str:
    """Return the counts of rows by label, in words; of many labels, only the most frequent ones."""
    frequent = sorted(counts, key=lambda label: -counts[label])[:_MAX_LISTED_LABELS]
    listed = ", ".join(
        f"{counts[label]:,} {quote_name(label) if label else 'without a label'}"
        for label in sorted(frequent)
    )
    remaining = sum(counts.values()) - sum(counts[label] for label in frequent)
    suffix = f", {remaining:,} of {len(counts) - len(frequent):,} others" if remaining else ""
    return f"{listed}{suffix}" or "none"


def make_report(
    choice: ModelChoice, column: ColumnChoice, job: dict[str, Any], tally: Tally, seconds: float,
    resumed: int, assumed: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """Return the report of a finished job; earlier processes predicted `resumed` of its rows."""
    if tally.read != tally.written + tally.rejected:
        raise AssertionError(f"{tally.read} rows in, {tally.written} + {tally.rejected} out")
    model = {key: str(value) for key, value in asdict(choice).items()}
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": model,
        "text_column": asdict(column),
        "job": job,
        "rows": {
            "read": tally.read,
            "written": tally.written,
            "rejected": tally.rejected,
            "resumed": resumed,
        },
        "assumed": list(assumed),
        "tally": asdict(tally),
        "mean_probability": tally.sum / tally.written if tally.written else None,
        "seconds": round(seconds, 3),
        "rows_per_second": round((tally.read - resumed) / max(seconds, 1e-9), 1),
    }


def read_result(partial: PartialOutput | StreamOutput, report: dict[str, Any]) -> PredictionResult:
    """Return the result of a finished job from its report."""
    model = report["model"]
    return PredictionResult(
        output=partial.output,
        rejected=partial.rejected if report["rows"]["rejected"] else None,
        report=partial.report,
        model=ModelChoice(**model | {"path": Path(model["path"])}),
        text_column=ColumnChoice(**report["text_column"]),
        rule=read_rule(report["job"]),
        tally=Tally(**report["tally"]),
        seconds=report["seconds"],
        resumed=report["rows"]["resumed"],
        assumed=report.get("assumed", []),
    )
