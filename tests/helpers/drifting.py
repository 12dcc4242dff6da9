"""Synthetic references and files that are drawn from the same population, or from another one."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from sentiment.commands.monitor.comparison import Comparison, compare
from sentiment.commands.monitor.current import CurrentRows
from sentiment.config import CONF
from sentiment.config.schemas import ThresholdSettings
from sentiment.modeling.descriptors import DESCRIPTORS
from sentiment.modeling.reference import Reference
from sentiment.tracking.stages import SilentObserver

DEFAULTS = ThresholdSettings(**OmegaConf.load(CONF / "monitor.yaml").thresholds)
# Every difference matters, so that only significance stands between noise and an alarm.
EVERYTHING = replace(
    DEFAULTS, distance=1e-9, labels=1 + 1e-9, share=1e-9, accuracy=1e-9, errors=1e-9
)
TERMS = pd.Index([f"term{number}" for number in range(300)])
TERM_SHARES = 1 / np.arange(1.1, 301)


@dataclass(frozen=True)
class Population:
    """Rows as a model and its data may produce them.

    Parameters
    ----------
    labels : dict of str to float
        Share of each true label.
    recalls : dict of str to float
        Share of the rows of a label that are predicted rightly, 0.9 where none is given.
    """

    labels: dict[str, float]
    recalls: dict[str, float] = field(default_factory=dict)

    def draw(self, rng: np.random.Generator, rows: int) -> pd.DataFrame:
        names = list(self.labels)
        codes = rng.choice(len(names), rows, p=list(self.labels.values()))
        recalls = np.array([self.recalls.get(name, 0.9) for name in names])
        wrong = rng.random(rows) >= recalls[codes]
        predicted = np.where(wrong, (codes + rng.integers(1, len(names), rows)) % len(names), codes)
        return pd.DataFrame(
            {
                # A tenth of all texts come from a handful that people write again and again.
                "text": np.where(
                    rng.random(rows) < 0.1,
                    rng.choice(["", "good", "bad", "fine", "so so"], rows),
                    rng.integers(0, 2**62, rows).astype(str),
                ),
                "label": np.array(names)[codes],
                "prediction": np.array(names)[predicted],
                "probability": rng.beta(5, 1, rows).astype("f4"),
            }
        )

    def refer(self, rng: np.random.Generator, rows: int) -> Reference:
        source, drawn = self.draw(rng, rows * 5)["text"], self.draw(rng, rows)
        return Reference(
            rows=pd.concat([describe(rng, rows), drawn.drop(columns="text")], axis=1),
            terms=pd.Series(rng.binomial(rows, TERM_SHARES), TERMS),
            classes=list(self.labels),
            words=len(TERMS),
            source={
                "rows": len(source),
                "empty": int((source == "").sum()),
                "repeated": int(source.duplicated().sum()),
            },
        )


def describe(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Return descriptors: whole numbers with ties, and shares that are often zero."""
    columns = {name: rng.lognormal(3, 1, rows).round() for name in DESCRIPTORS}
    columns["markup"] = np.where(rng.random(rows) < 0.9, 0, rng.random(rows))
    return pd.DataFrame(columns, dtype=np.float32)


class SyntheticReader:
    """Stands in for a TextReader: its descriptors and counts do not depend on the texts."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.documents = 0
        self._rng = rng
        self._counts = np.zeros(len(TERMS), np.int64)

    def describe(self, texts: pd.Series) -> pd.DataFrame:
        self.documents += len(texts)
        self._counts += self._rng.binomial(len(texts), TERM_SHARES)
        return describe(self._rng, len(texts))

    def list_terms(self, most: int) -> pd.Series:
        return pd.Series(self._counts, TERMS)

    def count_terms(self, terms: pd.Index) -> np.ndarray:
        return self._counts

    def count_words(self) -> int:
        return len(TERMS)


def compare_samples(
    rng: np.random.Generator,
    before: Population,
    after: Population,
    sizes: tuple[int, int],
    thresholds: ThresholdSettings,
) -> Comparison:
    """Compare a sample of `after` with a reference to `before`; `sizes` are those of both."""
    drawn = after.draw(rng, sizes[1])
    return compare(
        before.refer(rng, sizes[0]), CurrentRows(drawn, sizes[1], 0),
        SyntheticReader(rng), thresholds, 10, SilentObserver(),
    )  # fmt: skip
