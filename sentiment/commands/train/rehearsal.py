"""Saving of the final model, and the rehearsal of its deployment as in `predict`."""

import logging
import time
from pathlib import Path

import pandas as pd

from sentiment.commands.train.files import SETTINGS
from sentiment.commands.train.fitting import Fitting
from sentiment.errors import UntrustedModelError
from sentiment.modeling.model_files import digest_file, save_model
from sentiment.modeling.scoring import Predictor
from sentiment.tracking import MODEL, RunFolder
from sentiment.tracking.stages import Stages

log = logging.getLogger(__name__)


def save_final(folder: RunFolder, fitting: Fitting, stages: Stages) -> str:
    """Save the final model and rehearse its deployment; return the audit of `rehearse`."""
    path = folder.add(MODEL)
    with stages("save model"):
        save_model(fitting.final, path)
        folder.protect(MODEL, *SETTINGS)
    with stages("rehearse deployment"):
        audit, measured = rehearse(path, fitting.data.validation, fitting.predict_validation())
    fitting.metrics |= measured
    return audit


def rehearse(
    path: Path, validation: pd.DataFrame, expected: list[str]
) -> tuple[str, dict[str, float]]:
    """Load the saved model as predict does, predict validation rows with it and compare.

    Returns
    -------
    audit : str
        Why the file cannot be loaded without its run; empty if it can.
    metrics : dict of str to float
        Size of the file and speed.

    Raises
    ------
    RuntimeError
        The saved model predicts other labels than the fitted one.
    """
    audit = ""
    try:
        predictor = Predictor.load(path)
    except UntrustedModelError as error:
        audit = error.reason
        predictor = Predictor.load(path, digest=digest_file(path))
        log.info("the model is loaded by its run only, since %s", audit)
    # On a new machine, the first batch waits for kernels to be compiled.
    first = validation.head(1)
    predictor.predict(first["text"], first)
    start = time.perf_counter()
    predictions = predictor.predict(validation["text"], validation)
    seconds = time.perf_counter() - start
    if predictions.column("prediction").to_pylist() != expected:
        raise RuntimeError(f"the model saved as '{path}' predicts otherwise than the fitted one")
    return audit, {
        "model/size_mb": path.stat().st_size / 1e6,
        "deploy/rows_per_second": len(validation) / seconds,
    }
