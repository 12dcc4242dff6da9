"""Environment variables with which MLflow is used."""

from sentiment.redaction import split_credentials

# Defaults of MLflow's own settings.
ENVIRONMENT = {
    # A server that is not there should not be asked for minutes (seven tries by default).
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    # Seconds without an answer, of 120 by default.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # Bars of one file each would run through what a script shows.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # What is trained here is nobody else's business, and many machines reach no other.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Scripts print the run themselves.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def take_credentials(uri: str) -> tuple[str, dict[str, str]]:
    """Return a tracking URI without credentials, and the variables that MLflow reads them from.

    MLflow repeats the URI in messages and links, but never these variables.
    """
    address, *credentials = split_credentials(uri)
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    return address, {k: v for k, v in zip(names, credentials, strict=True) if v is not None}
