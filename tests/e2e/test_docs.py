"""Every command in the README and the pages of docs/ runs, on little data.

A command that several pages have runs once.
"""

import gzip
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT
from starting import Starter

from sentiment.data.datasets import EmbeddedReviews


def list_pages() -> list[Path]:
    """Return the pages of docs/ that are written by hand."""
    made = {"_build", "generated", "notebooks"}
    pages = sorted((ROOT / "docs").rglob("*.md"))
    return [path for path in pages if not made & {*path.relative_to(ROOT).parts}]


README = (ROOT / "README.md").read_text()
GRADES = ("poor", "fair", "good", "superb")
PAGES = {path.relative_to(ROOT): path.read_text() for path in list_pages()}


def find_blocks(language: str, text: str) -> list[str]:
    """Return the code blocks of a language in a page."""
    return re.findall(rf"```{re.escape(language)}\n(.*?)```", text, re.DOTALL)


# The build of the site runs what is in a block {run}.
COMMANDS = list(
    dict.fromkeys(
        line.split("  #")[0].strip()
        for page in [README, *PAGES.values()]
        for block in [*find_blocks("bash", page), *find_blocks("{run}", page)]
        for line in block.splitlines()
        if line.strip() and not line.startswith(("#", ":"))
    )
)
PYTHON = [command for command in COMMANDS if command.startswith("python ")]
SERVERS = [command for command in PYTHON if command.startswith("python scripts/serve.py")]
MAKE = [command for command in COMMANDS if command.startswith("make ")]
# Examples of files that a reader writes, and what the build makes.
MADE = {"conf/experiment/mine.yaml", "conf/model/extra_trees.yaml", "docs/_build/html"}
CODE = [block for page in PAGES.values() for block in find_blocks("python", page)]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, starter: Starter) -> Path:
    """A folder like a clone, with the files that the pages name and a trained model."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "scripts").symlink_to(ROOT / "scripts")
    rows = "".join(
        f'"a good film, number {n}",positive\n"a bad one, {n}",negative\n' for n in range(60)
    )
    (folder / "IMDB Dataset.csv").write_text("review,sentiment\n" + rows)
    (folder / "reviews.csv").write_text("review,sentiment\n" + rows)
    (folder / "sentences.csv").write_text("sentence,sentiment\n" + rows)
    official = pd.DataFrame(
        [
            (f"a {label} film, {part} {n}", label, part)
            for part, size in {"train": 40, "dev": 10, "test": 20}.items()
            for n in range(size)
            for label in ("good", "bad")
        ],
        columns=["text", "label", "part"],
    )
    official.to_csv(folder / "all.csv", index=False)
    official[official["part"] != "test"].to_csv(folder / "train.csv", index=False)
    official[official["part"] == "test"].to_parquet(folder / "test.parquet")
    (folder / "tickets.jsonl").write_text(
        "".join(
            f'{{"body": "{topic} ticket {n}", "topic": "{topic}"}}\n'
            for n in range(30)
            for topic in ("billing", "login", "other")
        )
    )
    grades = pd.DataFrame(
        [(f"a {grade} film, {n}", grade) for n in range(30) for grade in GRADES],
        columns=["text", "label"],
    )
    grades.to_csv(folder / "grades.csv", index=False)
    tagged = [
        (" and ".join(f"{tag} ticket {n}" for tag in tags), tags)
        for n in range(30)
        for tags in (["late"], ["refund"], ["late", "refund"], [])
    ]
    lists = pd.DataFrame(tagged, columns=["body", "tags"])
    lists.to_json(folder / "tagged.jsonl", orient="records", lines=True)
    joined = pd.DataFrame({"text": lists["body"] + " text", "tags": lists["tags"].str.join(";")})
    joined.replace({"tags": ""}, ";").to_csv(folder / "tagged.csv", index=False)
    joined[["text"]].head(9).to_csv(folder / "untagged.csv", index=False)
    orders = pd.DataFrame(
        [
            (f"{product} order {n}", n, product, f"2026-01-{n % 28 + 1:02}", n % 3, label)
            for n in range(60)
            for product, label in (("phone", "repair"), ("cover", "refund"))
        ],
        columns=["text", "price", "product", "created", "zip", "label"],
    )
    orders.to_csv(folder / "orders.csv", index=False)
    reviews = EmbeddedReviews(name="x", source="rotten_tomatoes").read().sample(400, random_state=0)
    reviews[:150].to_csv(folder / "labelled.csv", index=False)
    reviews[150:][["text"]].to_csv(folder / "texts.csv", index=False)
    (folder / "labels").mkdir()
    reviews[:150].to_csv(folder / "labels" / "texts-0.csv", index=False)
    labels = [*reviews["label"][:150], *[None] * 250]
    reviews.assign(label=labels).to_csv(folder / "mixed.csv", index=False)
    table = "id;text\n" + "".join(f"{n};très bon\n" for n in range(9))
    with closing(sqlite3.connect(folder / "reviews.db")) as database:
        database.execute("CREATE TABLE reviews (id INTEGER PRIMARY KEY, text TEXT, label TEXT)")
        labelled = [(f"film {n} is {label}", label) for n in range(30) for label in ("good", "bad")]
        database.executemany("INSERT INTO reviews (text, label) VALUES (?, ?)", labelled)
        database.commit()
    (folder / "export.txt").write_text('id\tbody\n1\t"fine"\n2\tbad\n')
    (folder / "quoted.csv").write_text("Export\nof May\nid, text\n1, 'fine, really'\n")
    (folder / "unnamed.csv").write_text("1,fine\n2,bad\n")
    (folder / "export.csv.gz").write_bytes(gzip.compress(table.encode("latin-1")))
    done = starter.run(  # with 30 validation rows, no precision would be certain to be above 0.8
        folder, "train", "experiment=quick_look", "data.limit=1500"
    )
    assert done.returncode == 0, done.stderr
    (folder / "first_run").write_text(re.findall(r"^run +(\w+)$", done.stdout, re.MULTILINE)[0])
    return folder


def test_it_opens_with_two_commands() -> None:
    first = re.search(r"```bash\n(.*?)```", README, re.DOTALL)
    assert first is not None
    lines = first[1].strip().splitlines()
    assert [line.split("  #")[0].strip() for line in lines] == ["make train", "make test"]
    assert README.index(first[0]) < 1500
    assert len(README.splitlines()) <= 150


def test_the_commands_are_found() -> None:
    assert len(PYTHON) >= 12
    assert {"python scripts/train.py", "python scripts/predict.py input=reviews.csv"} <= set(PYTHON)


def train_tags(clone: Path, starter: Starter) -> None:
    """Train a model of several labels in a row, unless one is there."""
    data = ["data=csv", "data.path=tagged.csv", "data.text_column=text", "data.label_column=tags"]
    if not (clone / "tagged" / "train").exists():
        words = [*data, "data.label_separator=';'", "outputs=tagged"]
        done = starter.run(clone, "train", *words)
        assert done.returncode == 0, done.stderr


def add_champion(clone: Path, starter: Starter) -> None:
    """Promote a model, unless one is there."""
    if not (clone / "outputs" / "promote").exists():
        add_challenger(clone, starter)


def add_challenger(clone: Path, starter: Starter, outputs: str = "outputs") -> None:
    """Train a model on all of a small table, after two that become champions one by one."""
    where = f"outputs={outputs}"
    train = ["data=kaggle", "data.path=IMDB Dataset.csv", "features=tfidf_unigram", where]
    promote = ["run=best", "resamples=200", where]
    first = [] if (clone / outputs / "promote").exists() else [promote, promote]
    for words in [*first, None]:
        assert starter.run(clone, "train", *train).returncode == 0
        if words is not None:
            done = starter.run(clone, "promote", *words)
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", SERVERS)
def test_a_server_starts_as_it_is_written(clone: Path, starter: Starter, command: str) -> None:
    if "@" in command:
        add_champion(clone, starter)
    run_id = (clone / "first_run").read_text()
    words = [word.replace("<id>", run_id) for word in shlex.split(command)[2:]]
    process = starter.start(clone, "serve", *words, "server.port=0")
    process.wait_for_output("serving  http://127.0.0.1:")
    os.kill(process.pid, signal.SIGTERM)
    done = process.wait()
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [one for one in PYTHON if one not in SERVERS])
def test_a_command_runs_as_it_is_written(
    clone: Path, starter: Starter, command: str, request: pytest.FixtureRequest
) -> None:
    script, *words = shlex.split(command)[1:]
    env = {"PREFECT_HOME": str(clone / "prefect")}
    name = Path(script).stem
    assert script == f"scripts/{name}.py"
    if name == "train":
        size = "90" if any("path=" in word for word in words) else "300"
        words += [f"data.limit={size}"]
        if "extra_columns" in command:  # models of other pages predict files without columns
            words += ["outputs=other columns"]
        if {"model=random_forest", "model=lightgbm", "model=xgboost"} & {*words}:
            words += ["model.n_estimators=10"]
        if any(word.startswith("search.n_trials=") for word in words):
            words += ["search.n_trials=2"]
    elif name == "best":
        # A search of the same name on other data would be refused.
        words += ["outputs=searched"]
        for study in [word for word in words if word.startswith("search=")] or ["search=svm"]:
            search = ["-m", study, "search.n_trials=2", "data.limit=300", "tracking=off"]
            if not (clone / "searched" / "search" / study.partition("=")[2]).exists():
                done = starter.run(clone, "train", *search, "outputs=searched")
                assert done.returncode == 0, done.stderr
    elif name == "monitor":
        made_by = f"deploy.run={(clone / 'first_run').read_text()}"
        name_of_input = words[0].replace("current=", "input=").replace(".predictions", "")
        made = starter.run(clone, "predict", name_of_input, made_by, "overwrite=true")
        assert made.returncode == 0, made.stderr
    elif "page=true" in words:  # a person ends it
        started = starter.start(clone, name, *words, env=env)
        started.wait_for_output("page     http://127.0.0.1:")
        started.send(signal.SIGINT)
        done = started.wait()
        assert done.returncode == 0, done.stderr
        assert "labelled 0 of " in done.stdout
        return
    elif name in ("compare", "promote"):
        # What was rolled back is not promoted again.
        outputs = "rolled back" if "rollback=true" in words else "outputs"
        add_challenger(clone, starter, outputs)
        words += ["resamples=200", f"outputs={outputs}"]
    elif name == "predict":
        if "deploy.run=models:/sentiment@champion" in words:
            add_champion(clone, starter)
        words += ["overwrite=true"]
        if "outputs=tagged" in words:
            train_tags(clone, starter)
        elif "threshold" in command:  # the best may be one of three classes
            words += [f"deploy.run={(clone / 'first_run').read_text()}"]
    elif "outputs=tagged" in words:
        train_tags(clone, starter)
    elif name == "finalize":  # the best may be final already
        words = [f"run={(clone / 'first_run').read_text()}"]
    elif name == "record":  # there is another run to record than the one that is named
        made = next((clone / "outputs" / "train").glob("*/*/run.json"))
        words = [f"folder={made.parent}"]
    elif name == "flow":
        typed = dict(word.split("=", 1) for word in words)
        typed["train"] = f"{typed.get('train', '')} data.limit=300"
        # No sample becomes the champion by itself.
        typed["promote"] = "force=test resamples=200"
        # Its champion and its search are not those of other commands.
        words = [f"{key}={value}" for key, value in typed.items()] + ["outputs=flowed"]
        # One that is there saves starting another.
        env["PREFECT_API_URL"] = request.getfixturevalue("prefect_server")
    done = starter.run(clone, name, *words, env=env)
    # Ten words again and again are not reviews, and monitor says so.
    drifted = name == "monitor" or (name == "flow" and "input=reviews.csv" in words)
    assert done.returncode == (3 if drifted else 0), done.stderr
    assert "Traceback" not in done.stderr
    if name == "flow":
        assert "result   run " in done.stdout


@pytest.mark.process
def test_a_command_in_a_pipe_runs_as_it_is_written(clone: Path) -> None:
    [command] = [one for one in COMMANDS if " | " in one]
    done = run(["bash", "-c", command], clone)
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header == "review,sentiment,prediction,probability"
    assert len(rows) == 2
    assert "Traceback" not in done.stderr


def test_the_reviews_of_the_first_page_are_those_of_the_build(tmp_path: Path) -> None:
    [command] = [one for one in COMMANDS if one.startswith("printf ")]
    assert run(["bash", "-c", command], tmp_path).returncode == 0
    written = (tmp_path / "reviews.csv").read_text()
    assert len(written.splitlines()) == 4
    extension = (ROOT / "docs" / "_extensions" / "examples.py").read_text()
    assert f"REVIEWS = {json.dumps(written)}" in extension


@pytest.mark.slow
@pytest.mark.parametrize("block", CODE, ids=lambda block: block.splitlines()[-1])
def test_code_runs_as_it_is_written(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = EmbeddedReviews.read
    monkeypatch.setattr(EmbeddedReviews, "read", lambda self: read(self).groupby("label").head(150))
    (tmp_path / "reviews.csv").write_text("text\na wonderful film\n")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "page", "exec"), {})
    assert len([*tmp_path.glob("*.csv")]) > 1, "each block writes a file"


@pytest.mark.parametrize("command", MAKE)
def test_the_make_targets_are_there(command: str) -> None:
    done = run(["make", "-n", *shlex.split(command)[1:]], ROOT)
    assert done.returncode == 0, done.stderr


def test_help_lists_every_target() -> None:
    shown = run(["make", "help"], ROOT).stdout
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(targets) > 10
    for target in targets:
        assert re.search(rf"make {target} +[A-Z]", shown), target


def test_files_that_it_points_to_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README):
        path = "".join(target)
        assert (ROOT / path).exists(), path


def test_paths_of_the_repository_that_pages_name_are_there() -> None:
    pages = {Path("README.md"): README, **PAGES}
    for page in (Path("CONTRIBUTING.md"), *PAGES):
        pages[page] = (ROOT / page).read_text()
    found = [
        (page, path)
        for page, text in pages.items()
        for path in re.findall(r"`((?:sentiment|conf|tests|docs|benchmarks)/[\w./]+)`", text)
        if path not in MADE
    ]
    assert len(found) > 40
    assert [(page, path) for page, path in found if not (ROOT / path).exists()] == []
