"""The command serve."""

from importlib.util import find_spec

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import ProgressDisplay
from sentiment.commands.serve.view import show_address, show_end
from sentiment.config import check_config, current_job, quote_typed, split_override
from sentiment.errors import MissingPackageError

_ADDRESSES = ("model", "challenger")


def convert_argument(word: str) -> str:
    """Return a word of the command line as an override of Hydra.

    ``model=`` is short for ``deploy.run=``, and routes may have any name.

    Examples
    --------
    >>> convert_argument("model=best"), convert_argument("routes.topics.share=0.1")
    ("deploy.run='best'", '++routes.topics.share=0.1')
    """
    parts = split_override(word)
    if parts.prefix or parts.value is None:
        return word
    value = quote_typed(parts.value)
    if parts.key == "model":
        return f"deploy.run={value}"
    if not parts.key.startswith("routes."):
        return word
    is_address = parts.key.rpartition(".")[2] in _ADDRESSES
    return f"++{parts.key}={value if is_address else parts.value}"


@command("serve", convert_argument=convert_argument)
def main(cfg: DictConfig) -> None:
    """Run the server that `cfg` describes until SIGTERM or SIGINT."""
    with ProgressDisplay("serve", current_job()) as display:
        check_config(cfg)
        for package in ("httptools", "msgspec", "prometheus_client", "uvicorn"):
            if find_spec(package) is None:
                raise MissingPackageError(package, "serving", "serve")
        from sentiment.commands.serve.job import prepare, run
        from sentiment.commands.serve.server import block_signals

        service = prepare(cfg, display)
    block_signals()
    show_address(service)
    run(service)
    show_end()
