"""Scripts as whole processes: their output, files and exit codes."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, Run
from starting import Starter

from sentiment.errors import ExitCode

QUICK = ["data=rotten_tomatoes", "data.limit=300", "features=tfidf_unigram"]


@pytest.fixture(scope="module")
def training(
    starter: Starter, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder in which a model was trained, and what that printed."""
    folder = tmp_path_factory.mktemp("training")
    done = starter.run(folder, "train", *QUICK)
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture
def trained(
    training: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> subprocess.CompletedProcess[str]:
    """The same in the folder of the test."""
    folder, done = training
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return done


def test_train_then_predict(
    run_plainly: Run, run_script: Run, tmp_path: Path, trained: subprocess.CompletedProcess[str]
) -> None:
    assert trained.stderr == ""
    for expected in (
        "8,530 rows read, 0 dropped, 300 of 8,530 used: 210 train, 30 validation, 60 test\n",
        "\nclasses: 150 'negative', 150 'positive'; precision, recall and f1 are of 'positive'\n",
        "accuracy",
        "time     ",
        "peak memory",
        "run      ",
        "model    models:/m-",
        "figures  outputs/train/",
    ):
        assert expected in trained.stdout
    assert "next " not in trained.stdout, "quiet when nobody watches"
    figures = tmp_path / re.search(r"figures  (\S+)", trained.stdout)[1]  # type: ignore[index]
    assert (figures / "test_roc.png").is_file()

    (tmp_path / "reviews.csv").write_text("id,review\n1,good fun\n2,bad\n")
    done = run_plainly("predict", "input=reviews.csv")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    run_id = re.search(r"run      (\w+)", trained.stdout)[1]  # type: ignore[index]
    assert f"(run {run_id})" in done.stdout
    assert re.search(
        r"chosen   best validation/accuracy of 1 run on rotten_tomatoes: ", done.stdout
    )
    assert re.search(r"from     commit \w{12}, data rotten_tomatoes \w{12}", done.stdout)
    assert "texts    column 'review': by its name\n" in done.stdout
    assert "rows     2 read = 2 written\n" in done.stdout
    assert done.stdout.splitlines()[-2:] == [
        "report   reviews.predictions.csv.json",
        "output   reviews.predictions.csv",
    ]
    written = pd.read_csv(tmp_path / "reviews.predictions.csv")
    assert written["id"].tolist() == [1, 2]
    assert written["probability"].between(0.5, 1).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "outputs",
        "reviews.csv",
        "reviews.predictions.csv",
        "reviews.predictions.csv.json",
    ]

    repeated = run_script("predict", "input=reviews.csv")
    assert repeated.returncode == 2
    assert repeated.stderr == (
        "predict.py: 'reviews.predictions.csv' exists already. Name another file with "
        "output=<file>, or replace it with overwrite=true.\n"
    )


def test_one_text_is_explained(
    starter: Starter, tmp_path: Path, trained: subprocess.CompletedProcess[str]
) -> None:
    done = starter.run(tmp_path, "explain", "text=Good, isn't it? [bold]Bad[/bold]: never, $5!")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "Good, isn't it? [bold]Bad[/bold]: never, $5!"
    assert re.search(
        r"label    '(negative|positive)' \('negative' 0\.\d{4}, 'positive'", done.stdout
    )
    sums = re.search(
        r"sum      (\S+) \(intercept\) ([+-]) (\S+) \(words\) = (\S+) log-odds of '", done.stdout
    )
    assert sums is not None
    base, words, total = float(sums[1]), float(sums[2] + sums[3]), float(sums[4])
    assert total == pytest.approx(base + words, abs=0.011)
    page = tmp_path / re.search(r"page     (\S+)", done.stdout)[1]  # type: ignore[index]
    assert "Why this is" in page.read_text()


def test_a_threshold_is_typed_as_a_number(
    starter: Starter, tmp_path: Path, trained: subprocess.CompletedProcess[str]
) -> None:
    (tmp_path / "a, b (1).csv").write_text("id,review\n1,good fun\n2,bad\n")
    done = starter.run(tmp_path, "predict", "input=a, b (1).csv", "deploy.threshold=0.99")
    assert done.returncode == 0, done.stderr
    assert "rule     the second class with a probability of at least 0.9900\n" in done.stdout
    written = pd.read_csv(tmp_path / "a, b (1).predictions.csv")
    assert written["prediction"].tolist() == ["negative", "negative"]


def test_a_page_replaces_a_file_only_with_overwrite(
    starter: Starter, tmp_path: Path, trained: subprocess.CompletedProcess[str]
) -> None:
    (tmp_path / "notes.html").write_text("mine")
    words = ["text=Good fun", "output=notes.html"]
    done = starter.run(tmp_path, "explain", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("explain.py: 'notes.html' exists already")
    assert (tmp_path / "notes.html").read_text() == "mine"
    assert starter.run(tmp_path, "explain", *words, "overwrite=true").returncode == 0
    assert "Why this is" in (tmp_path / "notes.html").read_text()


def test_help_lists_choices_and_commands(run_script: Run) -> None:
    done = run_script("train", "--help")
    assert done.returncode == 0
    assert (
        "model: classifier_chain, ensemble, gradient_boosting, knn, lightgbm, "
        "logistic_regression, naive_bayes, nbsvm, nbsvm_student, "
        "ordinal, random_forest, ridge, "
        "self_training, sgd, stacking, svm\n" in done.stdout
    )
    assert f"python {ROOT}/scripts/train.py model=svm features.max_features=20000" in done.stdout
    assert "common" not in done.stdout
    lines = [line.split("#") for line in done.stdout.splitlines() if "#" in line]
    described = {line.split(":")[0].strip(): comment.strip() for line, comment in lines}
    assert described["min_df"] == "least number (or share) of texts that have the term"
    assert described["max_failures"] == "failed jobs in a row that a sweep tolerates"
    assert described["seed"] == "seed of samples, splits and models"
    shown = run_script("predict", "--help").stdout
    assert f"python {ROOT}/scripts/predict.py input=reviews.csv" in shown
    keys = re.findall(r"^(\w+):", shown.partition("Settings (key=value):\n")[2], re.MULTILINE)
    assert keys[0] == "input", "the required setting comes first"
    assert keys[-2:] == ["deploy", "tracking"], "groups come last"


NOTHING_TRAINED = "was not found in the tracking store 'sqlite:///outputs/mlflow.db'"


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        ("best", ["search=svm"], "'svm'"),
        ("compare", ["a=best", "b=models:/sentiment@champion"], NOTHING_TRAINED),
        ("explain", ["text=fine"], NOTHING_TRAINED),
        ("finalize", ["run=best"], NOTHING_TRAINED),
        ("flow", ["flow.cron=daily"], "flow.cron is 'daily'"),
        ("monitor", ["current=reviews.csv"], "has no columns 'prediction' and 'probability'"),
        ("promote", [], NOTHING_TRAINED),
        ("record", ["folder=."], "it has no run.json"),
        ("suggest", ["input=texts.csv"], "there is no such file or folder"),
        ("serve", ["server.port=0"], NOTHING_TRAINED),
    ],
)
def test_each_script_starts_in_a_process_that_has_imported_nothing(
    run_plainly: Run, tmp_path: Path, script: str, words: list[str], message: str
) -> None:
    """Most other tests fork one that has imported everything, whatever the order of imports is."""
    (tmp_path / "reviews.csv").write_text("review,sentiment\nfine,good\n")
    done = run_plainly(script, *words)
    assert message in done.stderr
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


MISTAKES = [
    ("train", ["model=svn"], "model=svn: there is no such model. Did you mean 'svm'? Expected one "
     "of classifier_chain, ensemble, gradient_boosting, knn, lightgbm, logistic_regression, "
     "naive_bayes, nbsvm, "
     "nbsvm_student, "
     "ordinal, random_forest, ridge, self_training, sgd, stacking, svm."),
    ("train", ["seed=1", "model", "=", "svm"],
     "a setting is one word, without spaces: model=svm"),
    ("train", ["model.typo=1"], "there is no setting 'model.typo'. Known: C, class_weight, "
     "solver, tol, max_iter, random_state."),
    ("train", ["+model.typo=1"], "model.typo is not a parameter of LogisticRegression. Leave it "
     "out; if a config file has it, type ~model.typo. Known: penalty, "
     "C, l1_ratio, dual, tol, fit_intercept, intercept_scaling, class_weight, "
     "random_state, solver, max_iter, verbose, warm_start, n_jobs."),
    ("train", ["seed=abc"], "seed is 'abc'; expected a whole number from 0 to 2**32 - 1."),
    ("train", ["outputs=", "seed=abc", "tracking.experiment="], "3 problems in the "
     "configuration:\n  - seed is 'abc'; expected a whole number from 0 to 2**32 - 1.\n  - outputs "
     "is ''; expected a folder, such as outputs=outputs.\n  - tracking.experiment is ''; expected "
     "a text that is not empty."),
    ("train", ["-cn", "nope"], "there is no config 'nope'. Each script has its own: leave out "
     "-cn."),
    ("train", ["-m", "search=svm", "model.estimator.C=interval(10,1)"],
     "model.estimator.C=interval(10,1): `low <= high` must hold, but got (low=10.0, high=1.0)."),
    ("train", ["-m", "search=svm", "model.estimator.C=choice(abc,1,-2)"], "2 problems in the "
     "configuration:\n  - model.estimator.C is 'abc'; expected a float in the range (0.0, inf).\n"
     "  - model.estimator.C is -2; expected a float in the range (0.0, inf)."),
    ("flow", ["flow.retries=x"], "flow.retries is 'x'; expected a whole number from 0 to 1,000."),
    ("flow", ["train='seed=abc'", "promote='alpha=2 typo=1'"], "3 problems in the configuration:\n"
     "  - train: seed is 'abc'; expected a whole number from 0 to 2**32 - 1.\n"
     "  - promote: there is no setting 'typo'. Known: tracking, run, name, metric, threshold, "
     "alpha, margin, live, route, force, rollback, level, resamples, seed, outputs, trusted.\n"
     "  - promote: alpha is 2; expected a share above 0 and up to 0.5, such as 0.05."),
    ("best", ["search=", "overwrite=2"], "2 problems in the configuration:\n  - overwrite is 2; "
     "expected true or false.\n  - search.name is ''; expected a name of at most 200 characters "
     "that can be that of a folder: no /, no dot in front, or null."),
    ("record", ["folder=null"], "folder is null; expected a text that is not empty."),
    ("serve", ["server.port=99999"], "server.port is 99999; expected a port from 0, which means a "
     "free one, to 65535."),
    ("explain", ["text=[a", "deploy.threshold=2"], "deploy.threshold is 2; expected a number above "
     "0 and below 1, or max_f1, precision>=0.95 or recall>=0.95."),
    ("train", ["data=kaggle"], "data.path has no value; give it: data.path=<value>."),
    ("train", ["data=csv", "data.path=nope.csv"], "data.path is 'nope.csv', but there is no such "
     "file or folder (looked in '{cwd}'); expected a CSV file."),
    ("train", ["data=kaggle", "data.path=IMDB Dataset.csv"], "data.path is 'IMDB Dataset.csv', but "
     "there is no such file or folder (looked in '{cwd}'); expected a CSV file."),
    ("train", ["data=csv", "data.path=empty.csv"], "'empty.csv' holds no data: the file is empty. "
     "Expected at least one row with a text."),
    ("train", ["data=csv", "data.path=[a,b.csv]"], "'[a,b.csv]' holds no data: it is a list, which "
     "names no file. Expected a file, a folder, or a pattern such as 'reviews/*.csv'."),
    ("train", ["data=csv", "data.path=picture.csv"], "'picture.csv' cannot be read as CSV: its "
     "first line is not UTF-8; name its encoding, such as data.encoding=latin-1. Check that the "
     "file is complete and that its ending names its format (.csv, .parquet, .jsonl)."),
    ("train", ["data=csv", "data.path=reviews.csv"], "'reviews.csv' has no columns 'text' and "
     "'label'; its columns are 'review' and 'sentiment'. Name the columns with "
     "data.text_column=<name> and data.label_column=<name>."),
    ("train", ["data=kaggle", "data.path=one_class.csv"], "the data has 1 class ('good': 1); "
     "expected two or more. 8 of 9 rows are left out (8 duplicates). Check that the label column "
     "is the right one, that every class has a label, and that the file is not cut behind its "
     "first class."),
    ("train", [*QUICK, "features.min_df=1000"], "scikit-learn could not fit the pipeline: max_df "
     "corresponds to < documents than min_df. Change the features or model settings named there, "
     "or look at the data they meet."),
    ("predict", [], "input has no value; give it: input=<value>."),
    ("predict", ["input=review.csv"], "input is 'review.csv', but there is no such file or folder "
     "(looked in '{cwd}'); expected a CSV file. Did you mean 'reviews.csv'?"),
    ("predict", ["input=reviews.csv"], "run 'best' was not found in the tracking store "
     f"'sqlite:///outputs/mlflow.db'. Train a model first: python {ROOT}/scripts/train.py"),
    ("predict", ["input=reviews.csv", "text_column=body"], "'reviews.csv' has no column 'body'; "
     "its columns are 'review' and 'sentiment'. Name the column with text_column=<name>."),
    ("monitor", [], "current has no value; give it: current=<value>."),
    ("monitor", ["current=review.csv"], "current is 'review.csv', but there is no such file or "
     "folder (looked in '{cwd}'); expected a CSV file. Did you mean 'reviews.csv'?"),
    ("monitor", ["current=empty.csv"], "'empty.csv' holds no data: the file is empty. Expected at "
     "least one row with a text."),
    ("monitor", ["current=reviews.csv"], "'reviews.csv' has no columns 'prediction' and "
     "'probability', which predict writes; its columns are 'review' and 'sentiment'. Predict it "
     f"first: python {ROOT}/scripts/predict.py input=reviews.csv"),
    ("monitor", ["current=reviews.csv", "sample=0", "thresholds.alpha=2"], "2 problems in the "
     "configuration:\n  - sample is 0; expected a whole number above 0.\n  - thresholds.alpha is "
     "2; expected a share between 0 and 1."),
    ("predict", ["input=one_class.csv", "+typo=1"], "there is no setting 'typo'. Known: "
     "text_column, encoding, sep, quote, escape, header, deploy, tracking, input, output, table, "
     "query, together, explain, overwrite, outputs, trusted."),
    ("compare", [], "0 runs to compare; expected two or more: runs=[best,<id>], or "
     "a=models:/sentiment@champion b=<id>."),
    ("compare", ["a=best", "b=models:/sentiment@champion"], "run 'best' was not found in the "
     "tracking store 'sqlite:///outputs/mlflow.db'. Train a model first: python "
     f"{ROOT}/scripts/train.py"),
    ("promote", ["metric=acuracy"], "metric is 'acuracy'; expected one of accuracy, "
     "balanced_accuracy, precision, recall, f1 (or with _macro, _micro, _weighted), "
     "matthews_corrcoef, top_3_accuracy, roc_auc, roc_auc_ovr, log_loss, brier, ece; of ordered "
     "labels accuracy_within_one, mean_absolute_error, quadratic_kappa; of several "
     "labels in a row label_ranking_precision, hamming_loss; or one of [tool.sentiment.metrics] "
     "in pyproject.toml. "
     "Did you mean 'accuracy'?"),
    ("promote", [], "run 'best' was not found in the tracking store "
     f"'sqlite:///outputs/mlflow.db'. Train a model first: python {ROOT}/scripts/train.py"),
    ("promote", ["rollback=true"], "the registered model 'sentiment' was not found in the "
     f"tracking store 'sqlite:///outputs/mlflow.db'. Train a model first: python "
     f"{ROOT}/scripts/train.py"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "arguments", "message"), MISTAKES)
def test_a_mistake_ends_in_one_message_and_leaves_nothing(
    run_script: Run, tmp_path: Path, script: str, arguments: list[str], message: str
) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\n\x00,\xff\n")
    (tmp_path / "reviews.csv").write_text("review,sentiment\nfine,good\n")
    (tmp_path / "one_class.csv").write_text("review,sentiment\n" + "a fine film,good\n" * 9)
    names_before = sorted(path.name for path in tmp_path.iterdir())
    fits = "features.min_df=1000" in arguments
    done = run_script(script, *arguments)
    expected = f"{script}.py: {message.format(cwd=tmp_path)}\n"
    assert done.stderr.endswith(expected) if fits else done.stderr == expected  # after a warning
    assert done.returncode == 2
    assert done.stdout == ""
    remaining = sorted(path.name for path in tmp_path.iterdir())
    if fits:  # the run was begun, so the store has it, as failed
        assert not list((tmp_path / "outputs" / "train").glob("*/*"))
    else:
        assert list((tmp_path / "outputs").rglob("*")) == []
        assert [name for name in remaining if name != "outputs"] == names_before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.limit=0"], "data.limit is 0; expected a whole number above 0, or null.\n"),
        (["hydra.job.chdir=true"], "hydra.job.chdir is true, so that outputs and every other"),
        (["-m", "hydra.job.chdir=true", "model.C=1,2"], "hydra.job.chdir is true, so that"),
        (
            ["search=svm"],
            f"'search=svm' is for a search, which takes -m: python {ROOT}/scripts/train.py",
        ),
        (["data=csv", "data.path=typo.csv"], "data.path is 'typo.csv', but there is no such file"),
    ],
)
@pytest.mark.parametrize("location", ["outputs=new/results", "hydra.run.dir=new/results"])
def test_a_mistake_leaves_no_folder(
    starter: Starter, tmp_path: Path, words: list[str], message: str, location: str
) -> None:
    """Not even the one that Hydra makes for a run, and those around it."""
    done = starter.run(tmp_path, "train", *words, location)
    assert done.returncode == 2
    assert done.stderr.startswith(f"train.py: {message}")
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_keeps_existing_folders(starter: Starter, tmp_path: Path) -> None:
    (tmp_path / "mine" / "empty").mkdir(parents=True)
    typo = ["data=csv", "data.path=typo.csv"]
    for folder in ("mine/empty", "mine/empty/new", "mine"):
        assert starter.run(tmp_path, "train", *typo, f"hydra.run.dir={folder}").returncode == 2
    remaining = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")]
    assert remaining == ["mine", "mine/empty"]


def test_an_unwritable_path_is_reported(run_script: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_script("train", "outputs=file")
    assert done.returncode == 2
    assert re.sub(r"\d[\d-]+\d", "*", done.stderr) == (
        "train.py: 'file/train/*/*' cannot be used: Not a directory. Check the path, its "
        "permissions and the space on the disk.\n"
    )


def test_a_missing_path_is_reported(starter: Starter, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    done = starter.run(tmp_path, "train", "outputs=loop")
    assert done.returncode == 2
    assert re.fullmatch(r"train\.py: 'loop/train.*' cannot be used: .* links\. .*\n", done.stderr)
    gone = "import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')"
    done = starter.start(tmp_path, "train", before=gone).wait()
    assert done.returncode == 2
    assert done.stderr == (
        "train.py: the current folder was removed. Change to one that exists, and try again.\n"
    )


def test_a_variable_shows_the_traceback(run_script: Run) -> None:
    done = run_script("train", "+typo=1", env={"HYDRA_FULL_ERROR": "1"})
    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("train.py: there is no setting 'typo'.")


@pytest.mark.process
def test_a_bug_is_not_reported_as_a_mistake(run_script: Run, tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['train.py']; sys.path.insert(0, r'{scripts}')\n"
        "from sentiment.cli.terminal import run_script\n"
        "run_script(lambda: 1 / 0)\n"
    ).format(scripts=ROOT / "scripts")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.process
def test_a_warning_of_a_library_is_one_line(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['predict.py']; sys.path.insert(0, r'{scripts}')\n"
        "import logging, warnings; from sentiment.cli.terminal import run_script\n"
        "logging.basicConfig(format='%(levelname)s %(message)s')\n"
        "def main():\n"
        "    warnings.warn('one\\n  two', UserWarning)\n"
        "run_script(main)\n"
    ).format(scripts=ROOT / "scripts")
    file = tmp_path / "program.py"
    file.write_text(program)
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == f"WARNING {file}:5: UserWarning: one two\n"


@pytest.mark.process
def test_a_full_disk_is_an_outage_and_not_a_mistake(tmp_path: Path) -> None:
    """`/dev/full` raises ENOSPC at the first flush, as a full disk does."""
    program = (
        "import sys; sys.argv = ['predict.py']; sys.path.insert(0, r'{scripts}')\n"
        "from sentiment.cli.terminal import run_script\n"
        "run_script(lambda: open('/dev/full', 'w').write('x' * 100_000))\n"
    ).format(scripts=ROOT / "scripts")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.IO_ERROR == 74
    assert re.fullmatch(r"predict\.py: .* cannot be used: No space left on .*\n", done.stderr)


@pytest.mark.process
def test_a_terminal_shows_stages_and_the_next_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a terminal of its own."""
    import pty

    output = bytearray()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 1024)
        output.extend(data)
        return data

    monkeypatch.setenv("COLUMNS", "120")
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), *QUICK, f"outputs={tmp_path}"]
    assert pty.spawn(command, read) == 0
    screen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode())
    for expected in (
        "prepare data",
        "fit",
        "rehearse deployment",
        "next     python scripts/predict.py",
    ):
        assert expected in screen
    for path in tmp_path.glob("train/*/*/figures/*.png"):
        assert path.stat().st_size > 5_000, "a figure is on it"


def test_metrics_are_also_a_file(trained: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    path = next((tmp_path / "outputs" / "train").glob("*/*/metrics.json"))
    accuracy = json.loads(path.read_text())["test/accuracy"]
    assert f"{accuracy:.2f} [" in trained.stdout
