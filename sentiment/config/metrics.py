"""Names of metrics and their directions."""

# Metrics of predictions, and whether greater is better.
METRICS: dict[str, bool] = {
    "accuracy": True,
    "precision": True,
    "recall": True,
    "f1": True,
    "roc_auc": True,
    "log_loss": False,
    "brier": False,
    "ece": False,
}
# Further objectives of a search: the cost of a model. Less is better.
COSTS = {"size_mb": "model/size_mb", "predict_seconds": "validation/predict_seconds"}
