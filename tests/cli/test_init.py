"""The project of `sentiment init`: its tests pass, and its classes work in all commands."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import files, version
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
import yaml
from disks import full_disk
from jsonschema import Draft7Validator
from starting import Starter

import sentiment
from sentiment.api import Model
from sentiment.cli.init import make_project, name_package
from sentiment.config import check_config, compose, explain_error, make, quote_free_text
from sentiment.config.metrics import CustomMetric
from sentiment.errors import ConfigError, FitError, OccupiedFolderError, ProjectFileError

WORKERS = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
MASK = "features.transformer_list.words.steps.mask.mask"
EVERYWHERE = pytest.mark.parametrize("project", ["local", "installed"], indirect=True)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which pip has installed the package of a new project."""
    home = tmp_path_factory.mktemp("installed")
    make_project(home / "my project")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", "site"]
    done = call(home, "python", "-m", "pip", "install", *options, "./my project")
    assert done.returncode == 0, done.stderr
    return home / "site"


@pytest.fixture
def project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The working folder: a new project, whose package is called my_project.

    With the parameter ``installed`` the package is not there, but among the installed ones.
    """
    monkeypatch.setattr("sentiment.config.project._typed_patterns", {})
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / "my project"
    make_project(folder)
    if getattr(request, "param", "local") == "installed":
        site = request.getfixturevalue("site")
        shutil.rmtree(folder / "my_project")
        monkeypatch.setattr(sys, "path", [str(site), *sys.path])
        monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.chdir(folder)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_project"]:
        del sys.modules[name]


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment in `folder`, where only the working folder has the code."""
    program = Path(sys.executable).with_name(arguments[0])
    return subprocess.run(
        [str(program), *arguments[1:]], cwd=folder, capture_output=True, text=True, check=False
    )


def test_git_ignores_runs_and_nothing_else(tmp_path: Path) -> None:
    created = make_project(tmp_path / "mail")
    runs = tmp_path / "mail" / "outputs" / "mlflow.db"
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path / "mail", check=True)
    names = [str(path.relative_to(tmp_path / "mail")) for path in [*created, runs]]
    done = subprocess.run(
        ["git", "check-ignore", *names], cwd=tmp_path / "mail", capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["outputs/mlflow.db"]


def test_its_own_tests_pass_and_its_callback_is_called(starter: Starter, tmp_path: Path) -> None:
    created = call(tmp_path, "sentiment", "init", "desk")
    assert created.returncode == 0, created.stderr
    assert "  desk/desk/models.py\n" in created.stdout
    project = tmp_path / "desk"

    def run(program: str, home: Path, *overrides: str) -> "subprocess.CompletedProcess[str]":
        code = f"import runpy, sys; sys.path[0] = {str(home)!r}; {program}"
        return starter.start_code(project, code, *overrides).wait()

    module = "runpy.run_module('pytest', run_name='__main__', alter_sys=True)"
    done = run(module, project, "-q", "-p", "no:faker")
    assert done.returncode == 0, done.stdout
    assert "noload" not in done.stdout
    path = Path(sys.executable).with_name("sentiment")
    command = f"sys.argv[0] = {str(path)!r}; runpy.run_path({str(path)!r}, None, '__main__')"
    trained = run(command, path.parent, "train", "experiment=team")
    assert trained.returncode == 0, trained.stderr
    assert "│ cost " in trained.stdout
    diary = (tmp_path / "desk" / "outputs" / "diary.txt").read_text()
    assert diary == "desk.models.Centroid COMPLETED\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the variables of an environment without pytest, which pip can install there."""
    home, wheels = tmp_path / "environment", tmp_path / "wheels"
    call(tmp_path, "python", "-m", "venv", "--without-pip", str(home)).check_returncode()
    pytest_files = {path.parts[0] for path in files("pytest") or [] if path.parts[0] != ".."}
    there = Path(pytest.__file__).parents[1]
    for path in there.iterdir():
        if path.name not in pytest_files:
            (home / there.relative_to(sys.prefix) / path.name).symlink_to(path)
    wheels.mkdir()
    with ZipFile(wheels / f"pytest-{version('pytest')}-py3-none-any.whl", "w") as wheel:
        for path in files("pytest") or []:
            if path.parts[0] != ".." and path.suffix != ".pyc":
                wheel.write(there / path, path)
    return os.environ | {
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the value of the setting: no isolation
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }


@pytest.mark.slow
@pytest.mark.process
def test_make_test_installs_pytest_where_it_is_missing(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    make_project(tmp_path / "desk")

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            arguments, cwd=tmp_path / "desk", env=environment, capture_output=True, text=True
        )

    assert "No module named 'pytest'" in run("python", "-c", "import pytest").stderr
    done = run("make", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    done = run("python", "-m", "sentiment", "train", "experiment=team", "tracking=off")
    assert done.returncode == 0, done.stderr
    assert "desk" not in done.stderr  # the installed package is the one of the folder


@pytest.mark.parametrize(
    ("folder", "package"),
    [
        ("a/b-c", "b_c"),
        ("2nd", "project_2nd"),
        ("class", "project_class"),
        ("Conf", "project_conf"),
        ("sklearn", "project_sklearn"),
        ("json", "project_json"),
        ("sys", "project_sys"),
        ("Über uns", "uber_uns"),
        ("日本", "project"),
    ],
)
def test_the_package_is_called_like_the_folder(folder: str, package: str) -> None:
    assert name_package(Path(folder)) == package


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(OccupiedFolderError):
            make_project(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_full_disk_leaves_no_part_of_a_project(tmp_path: Path, is_new: bool) -> None:
    folder = tmp_path / "desk"
    if not is_new:
        folder.mkdir()
    with full_disk(1_000), pytest.raises(OSError, match="File too large"):
        make_project(folder)
    assert folder.exists() != is_new
    assert [*tmp_path.rglob("*")] == [folder] * (not is_new)
    assert all(path.stat().st_size for path in make_project(folder))


@pytest.mark.parametrize("overrides", [[], ["a", "b"], ["--hlep"], ["."], ["x" * 300]])
def test_an_unusable_folder_is_one_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    overrides: list[str],
) -> None:
    from sentiment.cli.main import main

    (tmp_path / "there").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sentiment", "init", *overrides])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("sentiment init: ")


@pytest.fixture
def trained(project: Path) -> Model:
    overrides = ["experiment=team", "~hydra.callbacks.diary"]
    result = sentiment.train(*overrides[:1])
    assert result.score == result.metrics["validation/cost"]
    assert result.metrics["model/size_mb"] > 0
    return sentiment.load(str(result.run_id))


def test_a_missing_callback_is_one_message(project: Path, starter: Starter) -> None:
    (project / "my_project" / "callbacks.py").unlink()
    done = starter.run(project, "train", "experiment=team")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "train.py: hydra.callbacks.diary names 'my_project.callbacks.Diary', which cannot be "
        "imported. Check its name, and that its package is installed or in the working folder.\n"
    )


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "+hydra.callbacks.diary.folder=x",
            "hydra.callbacks.diary: Diary.__init__() got an unexpected keyword argument 'folder'.",
        ),
        (
            "~hydra.callbacks.diary.path",
            "hydra.callbacks.diary: Diary.__init__() missing 1 required positional argument: "
            "'path'.",
        ),
        ("hydra.callbacks.diary=3", "hydra.callbacks: Cannot instantiate config of type int."),
    ],
)
def test_a_callback_with_wrong_parameters_is_one_message(
    project: Path, starter: Starter, word: str, message: str
) -> None:
    done = starter.run(project, "train", "experiment=team", word)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"train.py: {message}\n")


@pytest.mark.slow
@EVERYWHERE
def test_user_classes_predict_a_file_and_user_metrics_compare(
    project: Path, trained: Model
) -> None:
    from sentiment.commands.compare.job import compare

    rows = pd.DataFrame({"text": ["May I have a quote for 4 seats?", "The program crashed"]})
    rows.to_csv("new.csv", index=False)
    done = sentiment.predict_file("new.csv", "out.csv", "deploy.metric=cost")
    assert pd.read_csv(done.output)["prediction"].tolist() == ["sales", "support"]
    other = sentiment.train("experiment=team", "model.sharpness=0.01", "features=tfidf_unigram")
    cfg = compose("compare", [f"runs=[{trained.source.run_id},{other.run_id}]", "metric=cost",
                              "resamples=200"])  # fmt: skip
    found = compare(cfg)
    page = found.page.read_text()
    assert "cost" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("project", "launcher"),
    [("local", []), ("local", WORKERS), ("installed", WORKERS)],
    indirect=["project"],
)
def test_a_search_tries_user_classes(project: Path, starter: Starter, launcher: list[str]) -> None:
    overrides = ["-m", "experiment=team", "search=centroid", "search.n_trials=2", *launcher]
    if (project / "my_project").is_dir():
        done = starter.run(project, "train", *overrides)
    else:
        done = call(
            project, "sentiment", "train", *overrides
        )  # which sees PYTHONPATH from its start
    assert done.returncode == 0, done.stderr
    results = [
        json.loads(path.read_text())
        for path in (project / "outputs/search/centroid").glob("*/result.json")
    ]
    assert len(results) == 2
    assert all(not one["error"] and "validation/cost" in one["metrics"] for one in results)
    diary = (project / "outputs/diary.txt").read_text().splitlines()
    assert diary == ["my_project.models.Centroid COMPLETED"] * 2
    query = "SELECT value FROM tags WHERE key = 'command'"
    with closing(sqlite3.connect(project / "outputs/mlflow.db")) as store:
        commands = [command for (command,) in store.execute(query)]
    typed = "python scripts/train.py" if (project / "my_project").is_dir() else "sentiment train"
    assert len(commands) == 4  # the search, its trials and the best of them
    assert all(command.startswith(typed) for command in commands)


@pytest.mark.slow
@EVERYWHERE
def test_dask_workers_find_user_classes(project: Path, trained: Model) -> None:
    texts = [f"May I have a quote for {n} seats?" for n in range(20_000)]
    pd.DataFrame({"text": texts}).to_csv("new.csv", index=False)
    done = sentiment.predict_file("new.csv", "out.csv", "deploy=dask", "deploy.workers=1")
    assert set(pd.read_csv(done.output)["prediction"]) == {"sales"}


@pytest.mark.slow
@EVERYWHERE
def test_a_flow_promotes_predicts_and_monitors_with_user_classes(
    project: Path, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentiment.commands.flow.job import run_flow

    monkeypatch.setattr("sentiment.tracking.provenance.read_commit", lambda: {"commit": "a"})
    rows = {"text": ["May I have a quote for 4 seats?"] * 3, "label": ["sales"] * 3}
    pd.DataFrame(rows).to_csv("new.csv", index=False)
    overrides = ["train=experiment=team", "input=new.csv", "monitor=workspace=null"]
    overrides = quote_free_text([*overrides, "promote=metric=cost resamples=200"])
    result = run_flow(compose("flow", overrides))
    [predicted] = result.predictions
    assert pd.read_csv(predicted["output"])["prediction"].tolist() == ["sales"] * 3
    champion = sentiment.load("models:/sentiment@champion")
    assert type(champion.pipeline["features"]).__name__ == "FeatureUnion"
    assert champion.source.digest


def test_an_installed_package_needs_no_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site-packages"
    shutil.copytree("my_project", site / "my_project")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    model = ["model=naive_bayes", "~model.alpha", "model._target_=my_project.models.Centroid"]
    with pytest.raises(ConfigError, match="which is not allowed"):
        compose("train", model, typed=True)
    created = make(compose("train", [*model, "trusted=[my_project.models.*]"], typed=True), "model")
    assert type(created).__module__ == "my_project.models"
    assert str(elsewhere) not in os.environ.get("PYTHONPATH", "")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('function = "my_project.metrics.none"', "cost names my_project.metrics.none, which is"),
        ('function = "os.getpid"', "cost names os.getpid, which trusted does not list"),
        ('function = "sklearn.metrics"', "cost names sklearn.metrics, which trusted does not"),
        ('function = "my_project.metrics.np"', "cost names my_project.metrics.np, which is no f"),
        ('function = "sklearn.metrics.fbeta_score"', "fbeta_score: missing a required "),
        ('function = "my_project.metrics.cost"\nbeta = 2', "unexpected keyword argument 'beta'"),
        ("function = 3", "cost is {'function': 3"),
        ('function = "a.b"\nresponse_method = "x"', "response_method = 'x'; expected one of pred"),
        ('function = "a.b"\ngreater_is_better = 1', "cost has greater_is_better = 1"),
    ],
)
def test_a_metric_that_cannot_be_used_is_one_message(
    project: Path, written: str, said: str
) -> None:
    path = project / "pyproject.toml"
    text = path.read_text()
    path.write_text(text.replace('function = "my_project.metrics.cost"\ngreater', f"{written}\n#"))
    with pytest.raises(sentiment.SentimentError) as caught:
        sentiment.train("experiment=team", "data.path=absent.csv")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("primary", "overrides"),
    [
        ("train", ["optimize=cots"]),
        ("predict", ["input=-", "deploy.metric=cots"]),
        ("compare", ["runs=[a,b]", "metric=cots"]),
        ("train", ["search=centroid", "search.objectives=[cots]"]),
    ],
)
def test_an_unknown_metric_lists_those_of_the_user(
    project: Path, primary: str, overrides: list[str]
) -> None:
    with pytest.raises(ConfigError, match=r"accuracy, .*precision, .*ece.* cost[.,]") as caught:
        compose(primary, overrides)
    if "objectives" not in overrides[-1]:
        assert str(caught.value).endswith("Did you mean 'cost'?")


@pytest.mark.slow
def test_a_metric_that_raises_names_its_line(project: Path) -> None:
    path = project / "my_project" / "metrics.py"
    path.write_text("def cost(y_true, y_pred):\n    return 1 / 0\n")
    with pytest.raises(sentiment.SentimentError) as caught:
        sentiment.train("experiment=team", "tracking=off")
    assert str(caught.value).startswith(
        "my_project.metrics.cost raised an error: ZeroDivisionError: division by zero, in "
        "my_project/metrics.py, line 2."
    )


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("log_loss", "loss: sklearn.metrics.log_loss raised ValueError: could not convert string"),
        ("confusion_matrix", "loss: sklearn.metrics.confusion_matrix returned ndarray; expected a"),
    ],
)
def test_a_metric_of_scikit_learn_without_a_number_is_described(function: str, said: str) -> None:
    measure = CustomMetric("loss", f"sklearn.metrics.{function}").load()
    with pytest.raises(ProjectFileError) as caught:
        measure(["a", "b"], ["a", "b"])
    assert said in str(caught.value)


@pytest.mark.parametrize("value", ["my_project.metrics.cost", "sklearn.metrics.cost", "costs"])
def test_an_unknown_metric_lists_those_of_the_project(project: Path, value: str) -> None:
    for command, setting in (("compare", "metric"), ("finalize", "metric"), ("train", "optimize")):
        with pytest.raises(ConfigError) as caught:
            check_config(compose(command, [f"{setting}={value}"]))
        said = str(caught.value)
        assert f"{setting} is '{value}'; expected one of accuracy, " in said
        assert "; of [tool.sentiment.metrics] in pyproject.toml cost. Did you mean 'cost'?" in said
    with pytest.raises(ConfigError, match="of the model size_mb, predict_seconds; of .tool.sent"):
        check_config(compose("train", [f"search.objectives=[{value}]"]))


def test_a_metric_may_be_scikit_learns(project: Path) -> None:
    from sentiment.modeling.evaluation import evaluate, score

    added = """
[tool.sentiment.metrics.f2]
function = "sklearn.metrics.fbeta_score"
beta = 2
pos_label = "support"
[tool.sentiment.metrics.loss]
function = "sklearn.metrics.log_loss"
response_method = "predict_proba"
greater_is_better = false
"""
    with (project / "pyproject.toml").open("a") as file:
        file.write(added)
    result = sentiment.train("experiment=team", "tracking=off", "optimize=f2")
    created = evaluate(result.pipeline, result.data.validation)
    scores = score(created)
    assert scores["loss"] == pytest.approx(scores["log_loss"])
    precision, recall = scores["precision"], scores["recall"]
    assert scores["f2"] == pytest.approx(5 * precision * recall / (4 * precision + recall))


BAD = """
from dataclasses import dataclass
import pandas as pd
from sentiment.data.datasets import Dataset
from sklearn.base import BaseEstimator, ClassifierMixin

class Unmade(ClassifierMixin, BaseEstimator):
    def __init__(self):
        raise KeyError("boom")

class NoData:
    def __init__(self, **settings): ...
    def read(self): ...

@dataclass(frozen=True, kw_only=True)
class Columns(Dataset):
    path: str
    def read(self):
        return pd.DataFrame({"subject": ["a"]})

class Rows(Columns):
    def read(self):
        return [1]

class Absent(Columns):
    def read(self):
        return pd.read_csv("absent.csv")
"""


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["~model.sharpness", "model._target_=my_project.bad.Unmade"],
            "my_project.bad raised an error: KeyError: 'boom', in my_project/bad.py, line 9.",
        ),
        (
            ["data._target_=my_project.bad.NoData"],
            "data is a NoData; expected a class derived from sentiment.data.datasets.Dataset.",
        ),
        (
            ["data._target_=my_project.bad.Columns"],
            "data: Columns.read returned ['subject']; expected a DataFrame with text and label, "
            "each once.",
        ),
        (
            ["data._target_=my_project.bad.Rows"],
            "data: Rows.read returned list; expected a DataFrame with text and label, each once.",
        ),
        (
            ["data._target_=my_project.bad.Absent"],
            "my_project.bad raised an error: FileNotFoundError: [Errno 2] No such file or "
            "directory: 'absent.csv', in my_project/bad.py, line 27.",
        ),
        (
            ["model.sharpness=high"],
            "scikit-learn could not evaluate the pipeline: UFuncTypeError: <ufunc 'multiply'>",
        ),
        (["model.sharpness=high"], ", in my_project/models.py, line 20. Change the features or"),
        ([f"{MASK}=[a]"], f"{MASK} is ['a']; expected "),
        (["data.pth=x"], "there is no setting 'data.pth'. Did you mean 'data.path'?"),
        (["data.limit=no"], "data.limit is 'no'; expected a whole number, or null."),
        (["data.test_size=0.95"], "data.validation_size + data.test_size is 1.05; expected less"),
    ],
)
def test_a_mistake_in_user_code_is_one_message(
    project: Path, overrides: list[str], said: str
) -> None:
    (project / "my_project" / "bad.py").write_text(BAD)
    check_message(overrides, said)


def test_a_number_becomes_a_text_where_a_type_hint_expects_one(project: Path) -> None:
    cfg = compose("train", ["experiment=team", f"{MASK}=66"])
    check_config(cfg)
    cleaner = make(cfg, "features").transformer_list[0][1]["mask"]
    assert cleaner.transform(["order 5"]) == ["order 66"]


def check_message(overrides: list[str], said: str) -> None:
    """Check that a training of the project ends with code 2 and one message."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - a program gets the error itself
        sentiment.train("experiment=team", "tracking=off", *overrides)
    explained = explain_error(caught.value)
    assert explained is not None
    assert said in str(explained)
    assert explained.exit_code == 2


ODD = """
import sys
import threading
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

class Even(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self
    def predict_proba(self, X):
        return np.full((X.shape[0], 2), 0.5)

class FitRaises(Even):
    def fit(self, X, y):
        raise RuntimeError("no luck")

class FitExits(Even):
    def fit(self, X, y):
        sys.exit(3)

class Unclassed(Even):
    def fit(self, X, y):
        return self

class Coded(Even):
    def fit(self, X, y):
        self.classes_ = np.arange(2)
        return self

class Rows(Even):
    def predict_proba(self, X):
        return np.full((3, 2), 0.5)

class Listed(Even):
    def predict_proba(self, X):
        return [[0.5, 0.5]] * X.shape[0]

class Undefined(Even):
    def predict_proba(self, X):
        return np.full((X.shape[0], 2), np.nan)

class Later(Even):
    def predict_proba(self, X):
        found = super().predict_proba(X)
        found[60:] = np.nan
        return found

class Doubled(Even):
    def predict_proba(self, X):
        return np.ones((X.shape[0], 2))

class Variadic(Even):
    def __init__(self, *args):
        pass

class Forgetful(Even):
    def __init__(self, a=1):
        self.b = a

class BadValue(Even):
    def __init__(self):
        raise ValueError("a is wrong")

class Locked(Even):
    def fit(self, X, y):
        self.parts_ = {"a": [threading.Lock()]}
        return super().fit(X, y)

class Framed(Even):
    def fit(self, X, y):
        self.table_ = pd.DataFrame({"a": [1]})
        return super().fit(X, y)

class Guarded(Even):
    def __init__(self):
        self.guard = threading.Lock()
"""


def write_odd_package(project: Path) -> None:
    sys.modules.pop("odd", None)  # of another folder
    (project / "odd").mkdir()
    (project / "odd" / "__init__.py").write_text(ODD)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "FitRaises",
            "could not fit the pipeline: RuntimeError: no luck, in odd/__init__.py, line 17",
        ),
        ("FitExits", "could not fit the pipeline: SystemExit: 3, in odd/__init__.py, line 21."),
        ("Unclassed", "could not evaluate the pipeline: AttributeError: 'Unclassed' object has no"),
        (
            "Coded",
            "Coded is not as expected: its classes are not strings in order, as numpy.unique",
        ),
        ("Rows", "Rows is not as expected: it has 2 classes, and not a probability of each: "),
        ("Listed", "predict_proba returned list; expected an array of shape (18, 2)."),
        (
            "Undefined",
            "Undefined is not as expected: its probabilities are not all between 0 and 1.",
        ),
        (
            "Doubled",
            "Doubled is not as expected: its probabilities of the classes do not sum to 1.",
        ),
        ("Variadic", "Variadic is not an estimator of scikit-learn, whose __init__ names all "),
        ("Forgetful", "each: 'Forgetful' object has no attribute 'a'"),
        ("BadValue", "odd raised an error: ValueError: a is wrong, in odd/__init__.py, line 64."),
        (
            "Locked",
            "the fitted Locked holds '_thread.lock', which this project does not load from a file",
        ),
        ("Guarded", "the fitted Guarded holds '_thread.lock', which this project does not load"),
        ("Framed", "the fitted Framed holds 'table_ of Framed, a DataFrame', which this project"),
    ],
)
def test_an_invalid_classifier_is_one_message(project: Path, name: str, said: str) -> None:
    """Also in the __init__.py of a package, which a pattern such as odd.* includes."""
    write_odd_package(project)
    overrides = [
        "features=tfidf",
        "~model.sharpness",
        f"model._target_=odd.{name}",
        "trusted=[odd.*]",
    ]
    check_message(overrides, said)


@pytest.mark.slow
def test_editors_know_the_parts_of_a_project(project: Path) -> None:
    """Files pass the schemas that the project writes, and mistakes in them are found."""
    done = call(project, "python", "-m", "sentiment.config.json_schemas")
    assert (done.returncode, done.stderr) == (0, "")
    schemas = {path.stem: json.loads(path.read_text()) for path in Path("schemas").glob("*.json")}
    for path in Path("conf").glob("*/*.yaml"):
        group = path.parent.name.replace("search", "experiment")
        validator = Draft7Validator(schemas[group])
        values = yaml.safe_load(path.read_text())
        assert [error.message for error in validator.iter_errors(values)] == [], path
        assert list(validator.iter_errors(values | {"sede": 1})), path
    model = Draft7Validator(schemas["model"])
    assert model.is_valid({"_target_": "my_project.not_written_yet.Model", "size": 3})
    assert not model.is_valid({"_target_": "other.Model"})
    experiment = Draft7Validator(schemas["experiment"])
    assert not experiment.is_valid({"optimize": "coast"})
    targets = {
        one["if"]["properties"]["_target_"]["const"]: one["then"]["properties"]
        for one in schemas["model"]["then"]["allOf"]
    }
    sharpness = targets["my_project.models.Centroid"]["sharpness"]
    assert "larger makes probabilities" in sharpness["description"]


@pytest.mark.slow
def test_invalid_predictions_are_not_written(project: Path) -> None:
    """A model that predicts a few rows well may fail on others, in a file as from Python."""
    write_odd_package(project)
    overrides = [
        "features=tfidf",
        "~model.sharpness",
        "model._target_=odd.Later",
        "trusted=[odd.*]",
    ]
    result = sentiment.train("experiment=team", *overrides)
    said = "Later is not as expected: its probabilities are not all between 0 and 1"
    with pytest.raises(FitError, match=said):
        sentiment.predict_file(
            "data/tickets.csv", None, f"deploy.run={result.run_id}", "trusted=[odd.*]"
        )
    assert not Path("data/tickets.predictions.csv").exists()
    texts = pd.read_csv("data/tickets.csv")["body"]
    with pytest.raises(FitError, match=said):
        sentiment.load(result.run_id).predict(texts)
