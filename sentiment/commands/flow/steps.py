"""Steps of the flow, whose arguments and results can be stored as JSON."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import DictConfig

from sentiment.commands.compare.contenders import is_data_override
from sentiment.commands.compare.job import compare, describe
from sentiment.commands.predict.job import predict_files
from sentiment.commands.promote.decision import Promotion
from sentiment.commands.promote.history import CHAMPION, FLOW
from sentiment.commands.promote.job import find_reasons, promote
from sentiment.commands.search.results import read_winner
from sentiment.commands.train.files import list_params
from sentiment.commands.train.job import train
from sentiment.config import (
    Job,
    compose,
    find_key,
    is_within,
    list_trusted,
    make,
    quote_free_text,
    read_choices,
    read_origin,
    read_recorded,
    suggest_command,
)
from sentiment.data.preparation import prepare_data
from sentiment.errors import (
    ConfigError,
    RunDeletedError,
    RunNotFoundError,
    StepFailedError,
)
from sentiment.files.columns import choose_text_column
from sentiment.files.dialects import ReadOptions
from sentiment.files.opening import is_database, list_inputs, open_all
from sentiment.files.origins import strip_compression
from sentiment.redaction import redact
from sentiment.tracking import Tracker
from sentiment.tracking.folder import make_timestamp
from sentiment.tracking.recording import record_earlier

Facts = dict[str, Any]

_CODE = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Steps:
    """The steps of one flow.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/flow.yaml``, checked.
    at : str
        Start of the flow, as part of a path: retries use the same folder.
    """

    cfg: DictConfig
    at: str = field(default_factory=make_timestamp)
    # The folder of each training, by its settings: a retry finds the run that an earlier try kept.
    _folders: dict[tuple[str, ...], Path] = field(default_factory=dict, init=False)

    def list_words(self, script: str) -> list[str]:
        """Return the settings of a script as words of its command line."""
        words = shlex.split(read_recorded(self.cfg, script))
        if script == "train" and self.cfg.flow.search is None:
            # A deployed model should have learned from all labels; a search does so by default.
            words = words if any(map(_is_refit, words)) else ["refit=auto", *words]
        elif script == "train":
            # A search may have several values for a setting, as with `-m`.
            _, *words = quote_free_text(["-m", *words])
            return [f"search={self.cfg.flow.search}", *words]
        return quote_free_text(words)

    def check_scripts(self) -> None:
        """Check the settings of every script.

        Raises
        ------
        ConfigError
            Lists all mistakes, each with its script.
        """
        needed = {"train": [], "promote": [], "predict": ["input=x"], "monitor": ["current=x"]}
        problems = []
        for script, words in needed.items():
            try:
                self._compose(script, [*words, *self.list_words(script)])
            except ConfigError as error:
                problems += [f"{script}: {problem}" for problem in error.problems]
        if problems:
            raise ConfigError(problems)

    def check_input(self) -> Facts:
        """Check the input before any work."""
        if self.cfg.input is None:
            return {"input": None}
        learned = self._compose("train", self.list_words("train")).data.get("text_column")
        cfg = self._compose_prediction()
        for source in open_all(cfg.input, ReadOptions.of(cfg)):
            # The model, which may have learned from another column, is known later.
            column = learned if learned in source.columns else ""
            choose_text_column(Path(source.origin.name), source.columns, cfg.text_column, column)
        return {"input": redact(cfg.input)}

    def check_data(self) -> Facts:
        """Read, check and split the data; return a summary."""
        cfg = self._compose("train", self.list_words("train"))
        data = prepare_data(make(cfg, "data", "read"), cfg.seed)
        return {
            "data": data.name,
            "fingerprint": data.fingerprint,
            "digests": " ".join(data.digests.values()),
            "rows": data.report.rows,
            "dropped": data.report.dropped,
            "splits": {name: len(getattr(data, name)) for name in data.report.splits},
        }

    def train(self, words: list[str]) -> str:
        """Train, or search if `words` choose a search; return the id of the run."""
        if any(find_key(word) == "search" for word in words):
            return self._search(words)
        cfg = self._compose("train", words)
        folder = self._folders.setdefault(
            tuple(words), Path(cfg.outputs, "train", make_timestamp())
        )
        job = Job(folder, read_choices("train", words), words)
        result = record_earlier(cfg, folder, list_params(cfg)) or train(cfg, job)
        if result.run_id is None:
            raise StepFailedError("train", "the run is not tracked; a flow needs tracking=mlflow")
        return result.run_id

    def find_champion(self) -> Facts | None:
        """Return run, data and settings of the champion, or None without one.

        Raises
        ------
        StepFailedError
            Its run was deleted.
        """
        tracker = self._tracker()
        version = tracker.open_registry(self.cfg.name).find(CHAMPION)
        if version is None:
            return None
        try:
            run = tracker.read_run(version.run_id)
        except RunDeletedError as error:
            replaced = f"name={self.cfg.name}", "run=<id>", "force=<reason>"
            other = f"Another run becomes the champion by: {suggest_command('promote', *replaced)}"
            raise StepFailedError("find champion", f"{error} {other}") from error
        words = read_origin(run.tags) or []
        return {
            "run": version.run_id,
            "version": version.number,
            "fingerprint": run.tags.get("data.fingerprint"),
            "settings": [
                word
                for word in words
                if not (is_data_override(word) or _is_place(word) or _is_refit(word))
            ],
        }

    def list_defence(self, champion: Facts) -> list[str]:
        """Return the settings of the champion with the data and the final fit of this flow."""
        words = self.list_words("train")
        refit = [*filter(_is_refit, words)] or ["refit=auto"]
        return [*refit, *champion["settings"], *filter(is_data_override, words)]

    def compare(self, first: str, second: str) -> Facts:
        """Compare two runs; return the verdict and the reasons to refuse the second."""
        cfg = self._compose("compare", [f"a={first}", f"b={second}", *self._list_common()])
        result = compare(cfg, FLOW)
        rules = self._compose_promotion()
        reasons = find_reasons(result.comparison.pairs[0], rules.metric, rules.alpha, rules.margin)
        return describe(result) | {"reasons": reasons, "page": str(result.page)}

    def has_model(self, run: str) -> bool:
        """Return whether an earlier run still exists, with its model."""
        try:
            self._tracker().find_model(run, "accuracy")
        except RunNotFoundError:
            return False
        return True

    def promote(self, run: str, new_data: str | None = None) -> Facts:
        """Make a run the champion, if it is not worse; return the outcome.

        `new_data` is the reason why it may replace a champion that was scored on other data.
        """
        cfg = self._compose_promotion(f"run={run}")
        return _list_facts(promote(cfg, FLOW, new_data=new_data))

    def roll_back(self) -> Facts:
        """Make the champion before the champion again."""
        cfg = self._compose_promotion("rollback=true")
        return _list_facts(promote(cfg, FLOW))

    def predict(self) -> list[Facts]:
        """Predict the input with the champion; return a summary of each output."""
        cfg = self._compose_prediction()
        return [
            {
                "output": str(one.output),
                "read": one.tally.read,
                "written": one.tally.written,
                "rejected": one.tally.rejected,
                "labels": one.tally.counts,
            }
            for one in predict_files(cfg)
        ]

    def _compose_promotion(self, *words: str) -> DictConfig:
        name = f"name={self.cfg.name}"
        return self._compose("promote", [name, *words, *self.list_words("promote")])

    def _compose_prediction(self) -> DictConfig:
        own = [f"input={self.cfg.input}", f"deploy.run=models:/{self.cfg.name}@{CHAMPION}"]
        own.append(f"output={self._choose_output()}")
        return self._compose("predict", [*own, *self.list_words("predict")])

    def _choose_output(self) -> Path:
        """Return where predictions go, in a folder that no other run of the flow has."""
        folder = Path(self.cfg.outputs, "predict", self.at)
        if is_database(self.cfg.input):
            return folder / "predictions.csv"
        paths, home = list_inputs(self.cfg.input, ReadOptions.of(self.cfg))
        name = strip_compression(paths[0]).name
        return folder if home else folder / (f"{name}.csv" if paths[0].is_dir() else name)

    def monitor(self, output: str) -> Facts:
        """Compare an output with the reference of training; return the checks."""
        from sentiment.commands.monitor.job import monitor

        cfg = self._compose("monitor", [f"current={output}", *self.list_words("monitor")])
        result = monitor(cfg)
        return {
            "output": output,
            "drifted": result.comparison.drifted,
            "compared": result.compared,
            "report": str(result.folder / "report.html"),
        }

    def _search(self, words: list[str]) -> str:
        """Search, or resume a search that was stopped; return the id of its winner's run."""
        run = self._find_winner(words)
        # The run of the winner of a complete search may have been deleted.
        return run if self.has_model(run) else self._find_winner([*words, "search.fresh=true"])

    def _find_winner(self, words: list[str]) -> str:
        # The address of the store may hold a password, and all users can list command lines.
        shared = [word for word in self._shared() if not is_within(word, "tracking.uri")]
        store = self.cfg.tracking.get("uri")
        # The other process runs this code, not another version that may be installed.
        paths = [str(_CODE), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
        environment |= {"SENTIMENT_TRACKING_URI": str(store)} if store else {}
        with TemporaryDirectory() as folder:
            name = Path(folder, "study")
            command = [sys.executable, "-m", "sentiment.commands.flow.searching", str(name)]
            done = subprocess.run(
                [*command, *words, *shared],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            study = name.read_text(encoding="utf-8") if name.exists() else None
        if done.returncode or study is None:
            output = (done.stderr or done.stdout).strip().splitlines()
            reason = output[-1] if output else f"exit code {done.returncode}"
            raise StepFailedError("search", reason, done.returncode)
        winner = read_winner(Path(self.cfg.outputs, "search", study))
        if winner is None or winner.run is None:
            where = f"no winner in '{Path(self.cfg.outputs, 'search', study)}'"
            reason = f"{where}: another machine has trained it, or it is not tracked"
            raise StepFailedError("search", reason)
        return winner.run

    def _tracker(self) -> Tracker:
        tracker: Tracker = make(self.cfg, "tracking", "find_model")
        return tracker

    def _compose(self, primary: str, words: Any) -> DictConfig:
        return compose(primary, quote_free_text([*words, *self._shared()]))

    def _shared(self) -> list[str]:
        """Return the settings that all steps share, as they are typed."""
        # Settings from an environment variable are passed on and recorded by its name.
        settings = {"outputs": read_recorded(self.cfg, "outputs")} | {
            f"tracking.{key}": read_recorded(self.cfg.tracking, str(key))
            for key in self.cfg.tracking
            if key != "_target_"
        }
        shared = quote_free_text([f"{key}={value}" for key, value in settings.items()])
        return [*shared, f"trusted=[{','.join(list_trusted())}]"]

    def _list_common(self) -> list[str]:
        """Return the settings that promotions and comparisons share."""
        known = ("metric", "level", "resamples", "seed")
        return [word for word in self.list_words("promote") if find_key(word) in known]


def _is_place(word: str) -> bool:
    """Return whether a setting is about places of files and stores, or about trusted classes."""
    return is_within(word, "outputs", "tracking", "memory", "trusted")


def _is_refit(word: str) -> bool:
    """Return whether a setting chooses the rows that the final model learns from."""
    return is_within(word, "refit")


def _list_facts(promotion: Promotion) -> Facts:
    comparison = promotion.comparison
    return {
        "outcome": promotion.outcome,
        "sentence": promotion.sentence,
        "reasons": promotion.reasons,
        "champion": promotion.champion.run_id if promotion.champion else None,
        "version": promotion.champion.number if promotion.champion else None,
        "page": str(comparison.page) if comparison else None,
    }
