"""Labelling session of one person, independent of the web page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import pandas as pd

from sentiment.commands.suggest.agreement import Agreement, measure_agreement
from sentiment.commands.suggest.label_file import LabelFile
from sentiment.data.label_sets import join_labels
from sentiment.redaction.printable import show_name


@dataclass(frozen=True)
class Item:
    """A text to label.

    Attributes
    ----------
    text, guess, probability, reason : str
        The text, the label that a model predicts with its probability, and why the text was chosen;
        empty without a model.
    """

    text: str
    guess: str = ""
    probability: str = ""
    reason: str = ""


class OutdatedAnswerError(ValueError):
    """Error of an answer that is not for the current text."""


class Session:
    """Texts to label for one person, and the answers.

    Parameters
    ----------
    items : sequence of Item
        The texts, in the order in which they are shown.
    labels : sequence of str
        Labels to choose from.
    labeler : str
        Name of the person.
    file : LabelFile
        File of the answers.
    earlier : DataFrame
        Earlier answers of all people: columns ``text``, ``label``, ``labeler``.
    separator : str, optional
        Between the labels of a text, if a text may have several labels or none.

    Attributes
    ----------
    items, labels, labeler, file, separator : sequence of Item, list of str, str, LabelFile, str
        As above.
    answers : list of str
        Answers for the first items; "" for a skipped text.
    """

    def __init__(
        self, items: Sequence[Item], labels: Sequence[str], labeler: str, file: LabelFile,
        earlier: pd.DataFrame, separator: str | None = None,
    ) -> None:  # fmt: skip
        self.items, self.labels, self.labeler, self.file = items, list(labels), labeler, file
        self.answers: list[str] = []
        self.separator = separator
        self._earlier = earlier
        self._lock = Lock()

    @property
    def labelled(self) -> int:
        """Number of labelled texts."""
        return sum(answer != "" for answer in self.answers)

    def answer(self, number: int, labels: Sequence[str] | None) -> None:
        """Store the label or labels of the text `number`; None skips it.

        Raises
        ------
        OutdatedAnswerError
            Another text is current, such as after a key was hit twice.
        ValueError
            A label is unknown, or there are several labels for a text with one label.
        """
        with self._lock:
            if number != len(self.answers) or number >= len(self.items):
                raise OutdatedAnswerError(f"text {number} is not the current text")
            label = "" if labels is None else self._join(labels)
            item = self.items[number]
            labelled_at = datetime.now(UTC).isoformat(timespec="seconds")
            self.file.append(
                [
                    item.text,
                    label,
                    self.labeler,
                    item.guess,
                    item.probability,
                    item.reason,
                    labelled_at,
                ]
            )
            self.answers.append(label)

    def _join(self, labels: Sequence[str]) -> str:
        """Return labels in the format that training reads."""
        if not set(labels) <= set(self.labels) or (self.separator is None and len(labels) != 1):
            raise ValueError(f"{labels} are not labels of a text")
        if self.separator is None:
            return labels[0]
        # Without a label, write the separator, since an empty cell is not an answer.
        return join_labels(labels, self.separator) or self.separator

    def undo(self, number: int) -> None:
        """Remove the last answer, which was for the text before `number`.

        Raises
        ------
        OutdatedAnswerError
            Another text is current, or there is no answer.
        """
        with self._lock:
            if number != len(self.answers) or not self.answers:
                raise OutdatedAnswerError(f"text {number} is not the current text")
            self.file.remove_last()
            self.answers.pop()

    def measure_agreement(self) -> list[Agreement]:
        """Return the agreement of this person with each other person, including new answers."""
        answers = [
            {"text": item.text, "label": label or None, "labeler": self.labeler}
            for item, label in zip(self.items, self.answers, strict=False)
        ]
        rows = pd.concat([self._earlier, pd.DataFrame(answers, dtype="str")], ignore_index=True)
        return [
            agreement for agreement in measure_agreement(rows) if self.labeler in agreement.labelers
        ]

    def describe(self) -> dict[str, Any]:
        """Return the state of the session, as JSON for the page."""
        with self._lock:
            number = len(self.answers)
            is_done = number == len(self.items)
            item = Item("") if is_done else self.items[number]
            return {
                "number": number,
                "total": len(self.items),
                "labelled": self.labelled,
                "skipped": number - self.labelled,
                "done": is_done,
                "text": item.text,
                "guess": show_name(item.guess),
                "probability": item.probability,
                "reason": item.reason,
                "last": self.answers[-1] if self.answers else None,
                "agreement": [agreement.describe() for agreement in self.measure_agreement()],
            }
