"""The command predict."""

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import ProgressDisplay
from sentiment.commands.predict.view import show_prediction
from sentiment.config import check_config, current_job
from sentiment.errors import FilesFailedError


@command("predict", interrupt_message="stopped; the same command resumes it")
def main(cfg: DictConfig) -> None:
    """Predict, and show the model, the counts of rows and the output."""
    failure = None
    with ProgressDisplay("predict", current_job()) as display:
        check_config(cfg)
        from sentiment.commands.predict.job import predict_files

        try:
            results = predict_files(cfg, display)
        except FilesFailedError as error:
            results, failure = error.results, error
    for result in results:
        show_prediction(result)
    if failure is not None:
        raise failure
