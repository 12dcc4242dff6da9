"""Commands in messages, hints and help texts: each is run, or composed with the real configs."""

import ast
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT, Rivals
from hydra.core.override_parser.overrides_parser import OverridesParser

from sentiment.commands.best.sweeps import read_study
from sentiment.commands.compare.contenders import _write_command, _write_remedy
from sentiment.commands.monitor.current import find_columns
from sentiment.commands.serve.command import convert_argument
from sentiment.commands.train.job import TrainingResult
from sentiment.config import (
    compose,
    flatten,
    make,
    make_command_tags,
    quote_free_text,
    remember_arguments,
    repeat_command,
    suggest_command,
    suggest_ui,
)
from sentiment.config.job import check_no_sweep
from sentiment.config.overrides import parse_override, quote
from sentiment.errors import (
    ConfigError,
    ExperimentDeletedError,
    RunDeletedError,
    RunNotFoundError,
    StudyNotFoundError,
)
from sentiment.tracking import MlflowTracker, StoredRun

COMMAND = re.compile(r"python scripts/(\w+)\.py([^\n|]*)")
# Where what a person typed is put together again, and this project's name of a process.
COMPOSING = {"config/commands.py", "commands/promote/history.py"}
Train = Callable[..., TrainingResult]


@pytest.fixture(autouse=True)
def forget_words() -> Iterator[None]:
    yield
    remember_arguments([])


def find_commands(text: str) -> list[tuple[str, list[str]]]:
    """Return scripts and words of all commands in `text`, which may end a sentence."""
    commands = []
    for script, rest in COMMAND.findall(text):
        rest = re.sub(r"\s{2,}.*|\s+#.*|\s+<\s.*|[.)`]+$", "", rest)
        commands.append((script, shlex.split(rest)))
    return commands


def check_command(script: str, overrides: list[str]) -> None:
    """Compose what a person would get who typed this, with something for each ``<...>``."""
    assert (ROOT / "scripts" / f"{script}.py").is_file()
    sweeping = "-m" in overrides
    overrides = [re.sub(r"<[^>]*>", "abc", typed) for typed in overrides if typed != "-m"]
    if script == "best":
        overrides = [re.sub("^search=", "search.name=", typed) for typed in overrides]
    if script == "serve":
        overrides = [convert_argument(typed) for typed in overrides]
    # What only a search knows by another name than its file.
    overrides = ["search=svm" if typed == "search=abc" else typed for typed in overrides]
    overrides = [typed for typed in overrides if typed not in ("experiment=abc", "experiment=mine")]
    quoted = quote_free_text([*(["-m"] if sweeping else []), *overrides])
    parsed = OverridesParser.create().parse_overrides([w for w in quoted if w != "-m"])
    single = []
    for typed, override in zip([w for w in quoted if w != "-m"], parsed, strict=True):
        if override.is_sweep_override():
            assert sweeping, f"{typed} needs -m"
            first = next(iter(override.sweep_string_iterator()), None)
            typed = f"{override.get_key_element()}={first}"
        if not typed.startswith("hydra/"):
            single.append(typed)
    compose(script, single)


@pytest.mark.slow
def test_help_texts_and_configs_suggest_commands_that_compose() -> None:
    commands = [
        command
        for path in (ROOT / "conf").rglob("*.yaml")
        for command in find_commands(path.read_text())
        if "..." not in command[1]
    ]
    assert len(commands) > 30
    for script, overrides in commands:
        check_command(script, overrides)


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        (r"(?u)\b\w\w+\b", r"""'a.b="(?u)\b\w\w+\b"'"""),
        (r"""(?u)\w+(?:'\w+)*|[!?.,;:()"*/]""", r"""'a.b="(?u)\w+(?:'\''\w+)*|[!?.,;:()\"*/]"'"""),
        ("a 'b' c", r"""'a.b="a '\''b'\'' c"'"""),
        ("a b", '''"a.b='a b'"'''),
        ("$HOME `x` !x", r"""'a.b="$HOME `x` !x"'"""),
    ],
)
def test_a_suggested_text_is_short_and_reaches_hydra_unchanged(value: str, typed: str) -> None:
    command = suggest_command("train", f"a.b={quote(value)}")
    assert command == f"python scripts/train.py {typed}"
    script = ["bash", "-c", f"printf %s {typed}"]
    word = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert parse_override(word).value() == value


def list_suggestions() -> Iterator[tuple[str, list[str]]]:
    """Yield every command that the code suggests, with ``<...>`` for what is computed."""
    for path in [*(ROOT / "sentiment").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "suggest_command":
                words = [
                    "search=<name>"
                    if isinstance(word, ast.Starred)
                    else read_text(word)
                    if isinstance(word, ast.Constant | ast.JoinedStr)
                    else "force=<value>"
                    for word in node.args
                ]
                if "-m" not in words and "search=<name>" in words:
                    words.remove("search=<name>")  # any settings that are typed
                yield words[0], words[1:]


def read_text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "<value>" for part in node.values
        )
    assert isinstance(node, ast.Constant)
    return str(node.value)


@pytest.mark.slow
def test_commands_in_code_compose_with_the_store_of_the_running_command(tmp_path: Path) -> None:
    where = [f"outputs={tmp_path}/my runs", "trusted=[mine.*]", "tracking.experiment=mine"]
    remember_arguments(["model=svm", *where, "search.storage=sqlite:///s.db"])
    suggestions = list(list_suggestions())
    assert len(suggestions) >= 8
    for script, overrides in suggestions:
        ((suggested, composed),) = find_commands(suggest_command(script, *overrides))
        assert suggested == script
        assert set(where if script != "best" else where[:2]) <= set(composed)
        assert ("search.storage=sqlite:///s.db" in composed) == (
            script == "best" or "-m" in overrides
        )
        assert "model=svm" not in composed
        check_command(script, composed)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["sentiment", "scripts"])
def test_messages_compose_commands_in_one_way(folder: str) -> None:
    """It would not name the store; docstrings are for readers of the code."""
    for path in (ROOT / folder).rglob("*.py"):
        tree = ast.parse(path.read_text())
        documented = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        if str(path.relative_to(ROOT / folder)) in COMPOSING:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and id(node) not in documented:
                assert not COMMAND.search(str(node.value)), f"{path}:{node.lineno}"


def test_make_targets_and_extras_in_messages_exist() -> None:
    makefile, project = ((ROOT / name).read_text() for name in ("Makefile", "pyproject.toml"))
    texts = [path.read_text() for path in (ROOT / "sentiment").rglob("*.py")]
    texts += [path.read_text() for path in (ROOT / "scripts").glob("*.py")]
    targets = {found for text in texts for found in re.findall(r"[(` ]make ([a-z]+-[a-z]+)", text)}
    assert targets >= {"monitor-ui", "prefect-up"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for extra in {found for text in texts for found in re.findall(r"sentiment\[(\w+)\]", text)}:
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra


def test_passwords_are_not_repeated() -> None:
    remember_arguments(["tracking.uri=postgresql://me:secret@host/runs"])
    assert "secret" not in suggest_command("predict", "input=a.csv")
    assert "secret" not in suggest_ui("postgresql://me:secret@host/runs")


@pytest.mark.parametrize(
    "store", ["sqlite:////srv/my runs/mlflow.db", "sqlite:///outputs/mlflow.db"]
)
def test_make_ui_shows_the_named_store(store: str) -> None:
    hint = suggest_ui(store)
    assert shlex.split(hint.partition("    (")[0])[-1] == store
    target = re.search(r"or: make (.*)\)", hint)
    assert target is not None
    completed = subprocess.run(
        ["make", "--dry-run", *shlex.split(target[1])],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"mlflow ui --backend-store-uri '{store}'" in completed.stdout


def test_a_server_is_opened_in_a_browser() -> None:
    assert suggest_ui("http://127.0.0.1:5000") == "http://127.0.0.1:5000 in a browser"


@pytest.mark.slow
@pytest.mark.parametrize("swept", [False, True])
def test_training_suggests_commands_for_its_store(
    train_quickly: Train, store: Path, tmp_path: Path, swept: bool,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.syspath_prepend(ROOT / "scripts")
    from sentiment.commands.search.view import SweepDisplay
    from sentiment.commands.train.view import show_training

    monkeypatch.setenv("FORCE_COLOR", "1")
    uri = f"sqlite:///{store}/mlflow.db"
    result = replace(train_quickly(), store=uri)
    remember_arguments([f"outputs={store}", f"tracking.experiment={tmp_path.name}"])
    if swept:
        SweepDisplay().on_winner(0, result)
    else:
        show_training(result)
    printed = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    finalize, (script, overrides) = find_commands(printed)
    where = [f"outputs={store}", f"tracking.experiment={tmp_path.name}"]
    assert finalize == ("finalize", [f"run={result.run_id}", *where])
    check_command(*finalize)
    assert (script, overrides) == ("predict", ["input=reviews.csv", *where])
    cfg = compose(script, overrides)
    model = make(cfg, "tracking").find_model("best", "accuracy")
    assert model.run_id == result.run_id
    assert f"mlflow ui --backend-store-uri {uri} " in printed


def test_the_command_in_a_message_creates_the_missing_item(tmp_path: Path) -> None:
    remember_arguments([f"outputs={tmp_path}/runs"])
    tracker = make(compose("predict", ["input=a.csv", f"outputs={tmp_path}/runs"]), "tracking")
    messages = []
    with pytest.raises(RunNotFoundError) as no_store:
        tracker.find_model("best", "accuracy")
    with pytest.raises(StudyNotFoundError) as no_study:
        read_study("svm", None, tmp_path / "runs" / "search")
    with pytest.raises(KeyError) as no_predictions:
        find_columns(tmp_path / "a b.csv", ["text"], None, None, None)
    messages = [str(caught.value) for caught in (no_store, no_study, no_predictions)]
    for message, script in zip(messages, ("train", "train", "predict"), strict=True):
        ((suggested, overrides),) = find_commands(message)
        assert suggested == script
        assert f"outputs={tmp_path}/runs" in overrides
        check_command(script, overrides)


@pytest.mark.slow
def test_runs_on_other_data_are_trained_again_in_the_same_store() -> None:
    remember_arguments(["outputs=/new", "a=x"])
    first, second = (
        StoredRun(
            "1", "", {"command": f"python scripts/train.py {overrides}", "data": "csv"}, {}, {}
        )
        for overrides in ("model=svm outputs=/old", "data=csv data.path=b.csv")
    )
    ((script, overrides),) = find_commands(_write_remedy(first, second))
    assert sorted(overrides) == ["data.path=b.csv", "data=csv", "model=svm", "outputs=/new"]
    check_command(script, overrides)


def test_settings_of_data_in_an_experiment_are_in_the_command() -> None:
    tags = [
        {"command": f"python scripts/train.py {overrides}", "data": "imdb"}
        for overrides in ("model=svm", "experiment=quick_look")
    ]
    first = StoredRun("1", "", tags[0], {"data.limit": "None"}, {})
    second = StoredRun("2", "", tags[1], {"data.limit": "2000"}, {})
    ((script, overrides),) = find_commands(_write_remedy(first, second))
    assert {"model=svm", "data=imdb", "data.limit=2000"} <= set(overrides)
    check_command(script, overrides)
    ((_, overrides),) = find_commands(_write_remedy(second, first))
    assert "data.limit=null" in overrides


def test_runs_on_other_data_of_an_experiment_have_a_command_that_composes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiments = tmp_path / "conf" / "experiment"
    experiments.mkdir(parents=True)
    (experiments / "own.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /data: csv\n"
        "data:\n  path: my texts.csv\n  text_column: body\n"
    )
    (tmp_path / "pyproject.toml").write_text("[tool.sentiment]\n")
    monkeypatch.chdir(tmp_path)
    runs = [
        StoredRun(name, "", make_command_tags("train", words) | {"data": data}, params, {})
        for name, data, words in (
            ("a", "csv", ["experiment=own"]),
            ("b", "imdb", ["model=svm", "seed=3"]),
        )
        for params in [{k: str(v) for k, v in flatten(compose("train", words)).items()}]
    ]
    for first, second in (runs, runs[::-1]):
        remedy = _write_remedy(first, second)
        assert "settings of run b on the data of run a" in remedy
        ((script, overrides),) = find_commands(remedy)
        check_command(script, overrides)
        assert {"model=svm", "data=csv", "data.path=my texts.csv", "data.text_column=body"} <= {
            *overrides
        }
        assert "seed=42" in overrides
        assert len([word for word in overrides if word.startswith("data")]) == 3
    assert _write_command(*runs) is None


def run_mlflow(message: str) -> None:
    """Run the mlflow command that a message suggests."""
    from mlflow.cli import cli

    match = re.search(r"\((MLFLOW_TRACKING_URI)=(\S+) mlflow ([^)]*)\)", message)
    assert match is not None
    name, uri, command = match.groups()
    done = CliRunner().invoke(cli, shlex.split(command), env={name: shlex.split(uri)[0]})
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_a_deleted_experiment_or_run_is_restored_by_the_command_in_the_message(
    train_quickly: Train, store: Path, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    run = train_quickly().run_id
    uri = f"sqlite:///{store}/mlflow.db"
    tracker, client = MlflowTracker(uri, f"{store}/artifacts", tmp_path.name), MlflowClient(uri)
    experiment = client.get_experiment_by_name(tmp_path.name)
    client.delete_experiment(experiment.experiment_id)
    for use in (
        tracker.open,
        lambda: tracker.find_model("best", "accuracy"),
        lambda: tracker.count_runs({"kind": "training"}),
        lambda: train_quickly(),
    ):
        with pytest.raises(ExperimentDeletedError, match="experiment=<name>") as caught:
            use()
    run_mlflow(str(caught.value))
    tracker.open()
    client.delete_run(run)
    with pytest.raises(RunDeletedError, match="name another run") as caught:
        tracker.find_model(run, "accuracy")
    run_mlflow(str(caught.value))
    assert tracker.find_model("best", "accuracy").run_id == run


@pytest.mark.slow
def test_a_model_with_deleted_files_is_named(
    train_quickly: Train, store: Path, tmp_path: Path
) -> None:
    result = train_quickly()
    tracker = MlflowTracker(f"sqlite:///{store}/mlflow.db", f"{store}/artifacts", tmp_path.name)
    model = result.model.removeprefix("models:/")
    (folder,) = (store / "artifacts").rglob(model)
    shutil.rmtree(folder)
    for wanted in ("best", result.run_id, result.model):
        with pytest.raises(RunNotFoundError, match="was not found in the tracking store"):
            tracker.find_model(wanted, "accuracy")


@pytest.mark.parametrize(
    ("uri", "suggested"),
    [
        ("sqlite:/x/y.db", "sqlite:////x/y.db"),
        ("sqlite://x/y.db", "sqlite:////x/y.db"),
        ("sqlite:y.db", "sqlite:///y.db"),
    ],
)
def test_an_address_of_sqlite_with_too_few_slashes_is_corrected(uri: str, suggested: str) -> None:
    with pytest.raises(ConfigError, match=f"tracking.uri={suggested}$"):
        MlflowTracker(uri, "artifacts", "x").open()


@pytest.mark.parametrize(
    "override",
    [
        "search=svm",
        "search.n_trials=3",
        "hydra.sweep.dir=/y",
        "hydra.sweep.subdir=a",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
        "hydra.sweeper.params=null",
    ],
)
def test_a_sweep_without_multirun_is_refused_with_the_command_that_sweeps(override: str) -> None:
    remember_arguments([override, "outputs=/x"])
    with pytest.raises(ConfigError, match="takes -m") as caught:
        check_no_sweep([override, "outputs=/x"])
    ((script, overrides),) = find_commands(str(caught.value))
    assert overrides == ["-m", override, "outputs=/x"]
    if override == "search=svm":
        check_command(script, overrides)
    check_no_sweep(["model=svm", "hydra.run.dir=/z", "hydra.verbose=true"])


def test_a_promotion_is_suggested_for_the_typed_model_and_metric() -> None:
    remember_arguments(["run=best", "metric=cost", "name=mine", "margin=0.1"])
    assert (
        suggest_command("promote", "run=1")
        == "python scripts/promote.py run=1 metric=cost name=mine"
    )
    assert suggest_command("promote", "name=mine", "run=1").count("name=") == 1
    assert suggest_command("train") == "python scripts/train.py"
    remember_arguments(["names=a", "metrics=b", "model.name=c"])
    assert suggest_command("promote", "run=1") == "python scripts/promote.py run=1"


def test_the_running_command_is_repeated_with_other_settings() -> None:
    typed = ["run=best", "name=my model", "trusted=[mine.*]", "tracking.experiment=x", "margin=0"]
    remember_arguments([*typed, "live=log", "+alpha=0.1"])
    command = repeat_command("promote", "run=1", "alpha=0.2", "force=<reason>")
    ((script, overrides),) = find_commands(command)
    assert script == "promote"
    assert overrides == [*typed[1:], "live=log", "run=1", "alpha=0.2", "force=<reason>"]
    check_command("promote", [override for override in overrides if override != "name=my model"])
    remember_arguments(["outputs=/x", "tracking.uri=postgresql://me:secret@host/runs"])
    assert "secret" not in repeat_command("promote", "run=1")


def test_best_suggests_to_write_from_its_own_folder() -> None:
    remember_arguments(["search=svm", "outputs=/x", "search.storage=sqlite:///s.db"])
    command = suggest_command("best", "search=svm~2", "write=<name>")
    assert command == (
        "python scripts/best.py 'search=svm~2' write=<name> outputs=/x search.storage=sqlite:///s.db"
    )


def test_rivals_share_a_store(rivals: Rivals) -> None:
    """The remedy for runs on other data, of real runs."""
    remember_arguments([f"outputs={rivals.store}"])
    tracker = make(rivals.compose("compare", "runs=[a,b]"), "tracking")
    runs = [tracker.read_run(model.run_id) for model in (rivals.weak, rivals.other)]
    ((script, overrides),) = find_commands(_write_remedy(*runs))
    assert f"outputs={rivals.store}" in overrides
    check_command(script, overrides)
