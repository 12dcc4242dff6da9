"""Labels and probabilities of a pipeline, as evaluations read them."""

from typing import Any

import numpy as np
import pandas as pd

from sentiment.modeling.estimators.label_sets import name_label_sets
from sentiment.modeling.pipeline import (
    estimator_failures,
    find_separator,
    predict_probabilities,
)


def predict(pipeline: Any, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the predicted label or label set of each row, and the probabilities of all classes."""
    with estimator_failures("evaluate"):
        probabilities = predict_probabilities(pipeline, frame)
    separator = find_separator(pipeline)
    if separator is not None:
        return name_label_sets(probabilities >= 0.5, pipeline.classes_, separator), probabilities
    return pipeline.classes_[np.argmax(probabilities, axis=1)], probabilities
