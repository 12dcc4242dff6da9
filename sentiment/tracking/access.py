"""Environment variables for MLflow."""

from sentiment.redaction import split_credentials

# Defaults of MLflow's own settings.
ENVIRONMENT = {
    # The default is seven retries, which take minutes if a server is down.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    # Seconds to wait for a response; the default is 120.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # Progress bars of single files would interrupt the output of a command.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # No usage data is sent; many machines could not send it anyway.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Commands print the run themselves.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def take_credentials(uri: str) -> tuple[str, dict[str, str]]:
    """Return a tracking URI without credentials, and the variables to pass these to MLflow.

    MLflow shows the URI in messages and links, but not these variables.
    """
    address, *credentials = split_credentials(uri)
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    return address, {k: v for k, v in zip(names, credentials, strict=True) if v is not None}
