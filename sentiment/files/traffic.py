"""The log of a server: what it answered, and labels that came later.

Two tables in one folder, ``predictions`` and ``feedback``; see `sentiment.files.hourly`.
"""

from pathlib import Path

import pyarrow as pa

PREDICTIONS, FEEDBACK = "predictions", "feedback"
TABLES = (PREDICTIONS, FEEDBACK)
_TIME = pa.timestamp("us", "UTC")
SCHEMAS = {
    PREDICTIONS: pa.schema(
        {
            "time": _TIME,
            "id": pa.string(),
            "route": pa.string(),
            "role": pa.string(),  # champion, challenger or shadow
            "model": pa.string(),
            "run_id": pa.string(),
            "version": pa.string(),
            "seconds": pa.float64(),  # of the whole request
            "threshold": pa.float64(),  # of the request, in place of that of the server
            "prediction": pa.string(),
            "probability": pa.float64(),
            "error": pa.string(),  # why there is no prediction
            "text": pa.string(),
        }
    ),
    FEEDBACK: pa.schema(
        {"time": _TIME, "id": pa.string(), "route": pa.string(), "label": pa.string()}
    ),
}


def is_log(folder: Path) -> bool:
    """Return whether `folder` is the log of a server."""
    return (folder / PREDICTIONS).is_dir()
