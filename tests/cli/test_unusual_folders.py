"""Scripts in unusual folders: behind a link, with the environment of another checkout."""

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT, Run
from starting import Starter

from sentiment.cli.cache_folders import prepare_home
from sentiment.commands.flow.job import choose_prefect_home
from sentiment.errors import ConfigError

QUICK = ["data=rotten_tomatoes", "data.limit=300", "features=tfidf_unigram"]
MESSAGE = "outputs is ''; expected a folder, such as outputs=outputs.\n"


def run_python(*arguments: str | Path, **options: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.process
def test_a_checkout_runs_its_own_code_in_the_environment_of_another(tmp_path: Path) -> None:
    for name in ("conf", "scripts", "sentiment"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    train = tmp_path / "conf" / "train.yaml"
    train.write_text(train.read_text().replace("seed: 42", "seed: 7"))
    completed = run_python(tmp_path / "scripts" / "train.py", "--cfg", "job", cwd=tmp_path)
    assert "seed: 7\n" in completed.stdout
    code = "import _checkout, sentiment, sentiment.config as c; print(sentiment.__file__, c.CONF)"
    imported = run_python("-c", code, cwd=tmp_path / "scripts")
    assert imported.stdout.split() == [
        str(tmp_path / "sentiment" / "__init__.py"),
        str(tmp_path / "conf"),
    ]


@pytest.mark.process
def test_a_script_behind_a_link_finds_its_configs(tmp_path: Path) -> None:
    link = tmp_path / "train.py"
    link.symlink_to(ROOT / "scripts" / "train.py")
    assert "seed: 42\n" in run_python(link, "--cfg", "job", cwd=tmp_path).stdout


@pytest.mark.slow
def test_a_run_is_trained_in_a_folder_with_quotes_in_its_name(
    starter: Starter, tmp_path: Path
) -> None:
    here = tmp_path / "a b'c \"d"
    here.mkdir()
    done = starter.run(here, "train", *QUICK)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in here.iterdir()] == ["outputs"]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["tracking=off"]])
def test_a_folder_whose_name_is_not_unicode_is_named(
    arguments: list[str], starter: Starter, tmp_path: Path
) -> None:
    here = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    here.mkdir()
    done = starter.run(here, "train", *QUICK, *arguments)
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(r"train\.py: .*caf\\udce9/outputs.* is not in UTF-8\. .*\n", done.stderr)
    assert [path for path in here.rglob("*") if path.is_file()] == []
    done = starter.run(here, "train", *QUICK, *arguments, f"outputs={tmp_path}/outputs")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments", [["train"], ["train", "-m", "seed=1,2"], ["predict", "input=x.csv"], ["flow"]]
)
def test_an_empty_outputs_folder_is_not_the_root(
    run_script: Run, tmp_path: Path, arguments: list[str]
) -> None:
    done = run_script(*arguments, "outputs=")
    assert (done.returncode, done.stderr) == (2, f"{arguments[0]}.py: {MESSAGE}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["predict", "--help"], ["predict", "input=x.csv"]])
def test_a_folder_that_was_removed_is_named(
    run_script: Run, tmp_path: Path, arguments: list[str]
) -> None:
    remove = "import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')"
    done = run_script(*arguments, before=remove)
    message = "the current folder was removed. Change to one that exists, and try again."
    assert (done.returncode, done.stderr) == (2, f"predict.py: {message}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("close", "code", "message"),
    [
        ("os.dup2(os.open('/dev/full', os.O_WRONLY), 1)", 74, r"best\.py: .*No space left.*\n"),
        ("os.dup2((ends := os.pipe())[1], 1); os.close(ends[0]); os.close(ends[1])", 141, ""),
    ],
    ids=["full", "closed pipe"],
)
def test_an_output_that_cannot_be_written_is_at_most_one_message(
    run_script: Run, close: str, code: int, message: str
) -> None:
    done = run_script("best", before=f"import os; {close}")
    assert done.returncode == code, done.stderr
    assert re.fullmatch(message, done.stderr)


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("closed", ["<&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_nothing_is_written_to_closed_streams(closed: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text\ngood fun\n")
    script = ROOT / "scripts" / "predict.py"
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, script, "input=x.csv"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr  # nothing was trained
    assert done.stdout == ""
    is_shown = "2>&-" not in closed
    assert re.fullmatch(r"(predict\.py: run 'best' was not found .*\n)?", done.stderr)
    assert bool(done.stderr) == is_shown
    assert (tmp_path / "x.csv").read_text() == "text\ngood fun\n"


class TestHome:
    """A home that is not there, not known or cannot be written, on a machine of many users."""

    @pytest.fixture(autouse=True)
    def places(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
            monkeypatch.setenv(name, "")  # so that it is restored
            monkeypatch.delenv(name)

    def test_a_writable_home_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for home in (tmp_path, tmp_path / "not" / "yet"):
            monkeypatch.setenv("HOME", str(home))
            prepare_home()
            assert Path.home() == home
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("home", ["/dev/null/x", None])
    def test_a_missing_home_is_replaced(
        self, home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", home or "")
        if home is None:
            monkeypatch.delenv("HOME")
            monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
        prepare_home()
        assert Path.home() == tmp_path / f"sentiment-{os.getuid()}"
        assert Path.home().stat().st_mode & 0o777 == 0o700

    def test_a_read_only_home_is_kept_and_caches_are_elsewhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
        prepare_home()
        assert Path.home() == home
        assert Path(os.environ["XDG_CACHE_HOME"]).parent == tmp_path / f"sentiment-{os.getuid()}"

    def test_a_folder_that_others_can_write_is_not_used(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken = tmp_path / f"sentiment-{os.getuid()}"
        taken.mkdir()
        taken.chmod(0o777)
        monkeypatch.setenv("HOME", "/dev/null/x")
        prepare_home()
        assert Path.home() != taken
        assert Path.home().stat().st_mode & 0o777 == 0o700

    def test_prefect_writes_beside_the_outputs_or_its_folder_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PREFECT_HOME", "/dev/null/x")
        with pytest.raises(ConfigError, match="PREFECT_HOME is '/dev/null/x', which cannot be wri"):
            choose_prefect_home(tmp_path)
        monkeypatch.delenv("PREFECT_HOME")
        monkeypatch.setenv("HOME", "/dev/null/x")
        choose_prefect_home(tmp_path / "new")
        assert os.environ["PREFECT_HOME"] == str(tmp_path / "new" / "prefect")
        assert (tmp_path / "new" / "prefect").is_dir()  # Prefect makes no parent
