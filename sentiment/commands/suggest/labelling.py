"""Setup of the page where a person labels the suggested texts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from sentiment.commands.suggest.job import SuggestionResult
from sentiment.commands.suggest.label_file import LabelFile
from sentiment.commands.suggest.server import LabelingServer
from sentiment.commands.suggest.session import Item, Session
from sentiment.commands.suggest.texts import LABEL_COLUMN, LABELER_COLUMN
from sentiment.errors import ConfigError, quote_list
from sentiment.modeling.pipeline import TEXT_COLUMN


def open_page(cfg: DictConfig, result: SuggestionResult) -> LabelingServer:
    """Return the server of the page for the texts of `result`; its socket is already open.

    Parameters
    ----------
    cfg : DictConfig
        Settings of the command.
    result : SuggestionResult
        The chosen texts.

    Raises
    ------
    ConfigError
        The labels are not known, or the model reads other columns beside the text.
    SentimentError
        Another process writes the labels of this person, or the port is taken.
    """
    check_labels(result)
    shared_texts = choose_shared(result.known, cfg.labeler, cfg.overlap, cfg.seed)
    items = [
        *map(_make_item, result.rows.astype(object).to_dict("records")),
        *map(Item, shared_texts),
    ]
    # Texts that another person has labelled get random positions.
    order = np.arange(len(items))
    if shared_texts:
        random = np.random.default_rng(cfg.seed)
        positions = random.choice(len(items), len(shared_texts), replace=False)
        order[np.isin(order, positions)] = np.arange(len(result.rows), len(items))
        order[~np.isin(np.arange(len(items)), positions)] = np.arange(len(result.rows))
    file = LabelFile(result.path)
    try:
        session = Session(
            [items[k] for k in order], result.labels, cfg.labeler or "", file, result.known,
            result.separator,
        )  # fmt: skip
        return LabelingServer(session, cfg.port, result.next_command)
    except BaseException:
        file.close()
        raise


def check_labels(result: SuggestionResult) -> None:
    """Check that a person can give each text one of the labels of `result`.

    Raises
    ------
    ConfigError
        The labels are not known, a label contains the separator, or the model reads other columns
        beside the text.
    """
    if len(result.labels) < 2:
        problem = f"only {result.labels[0]!r} is" if result.labels else "none is"
        raise ConfigError(
            [f"page=true needs the names of the labels, of which {problem} known: labels=[a,b]."]
        )
    ambiguous = [label for label in result.labels if result.separator and result.separator in label]
    if ambiguous:
        raise ConfigError(
            [f"the label {ambiguous[0]!r} has {result.separator!r} in it, which is between labels "
             "(label_separator). Rename it, or choose another separator."]
        )  # fmt: skip
    if result.extra_columns:
        raise ConfigError(
            [f"page=true keeps texts and labels, and the model reads "
             f"{quote_list(result.extra_columns)}, too. Leave page at false, and fill in the file."]
        )  # fmt: skip


def choose_shared(labels: pd.DataFrame, labeler: str | None, count: int, seed: int) -> list[str]:
    """Return a random sample of texts that others have labelled and `labeler` has not."""
    is_own = labels[LABELER_COLUMN] == labeler
    labelled_by_others = labels[
        ~is_own & labels[LABELER_COLUMN].notna() & labels[LABEL_COLUMN].notna()
    ]
    texts = labelled_by_others[TEXT_COLUMN].drop_duplicates()
    candidates = texts[~texts.isin(labels.loc[is_own, TEXT_COLUMN])]
    sample: list[str] = candidates.sample(min(count, len(candidates)), random_state=seed).tolist()
    return sample


def _make_item(row: Mapping[Any, Any]) -> Item:
    probability = row["probability"]
    formatted = f"{probability:.2f}" if row["guess"] else ""
    return Item(str(row[TEXT_COLUMN]), str(row["guess"]), formatted, str(row["reason"]))
