"""Scripts that are run from odd places: by a link, with another checkout's environment."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Run

MESSAGE = "outputs is ''; expected a folder, such as outputs=outputs.\n"


def run_python(*words: str | Path, **options: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.process
def test_a_checkout_runs_its_own_code_in_the_environment_of_another(tmp_path: Path) -> None:
    for name in ("conf", "scripts", "sentiment"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    train = tmp_path / "conf" / "train.yaml"
    train.write_text(train.read_text().replace("seed: 42", "seed: 7"))
    shown = run_python(tmp_path / "scripts" / "train.py", "--cfg", "job", cwd=tmp_path)
    assert "seed: 7\n" in shown.stdout
    code = "import _checkout, sentiment, sentiment.config as c; print(sentiment.__file__, c.CONF)"
    found = run_python("-c", code, cwd=tmp_path / "scripts")
    assert found.stdout.split() == [
        str(tmp_path / "sentiment" / "__init__.py"),
        str(tmp_path / "conf"),
    ]


@pytest.mark.process
def test_a_script_behind_a_link_finds_its_configs(tmp_path: Path) -> None:
    link = tmp_path / "train.py"
    link.symlink_to(ROOT / "scripts" / "train.py")
    assert "seed: 42\n" in run_python(link, "--cfg", "job", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "words", [["train"], ["train", "-m", "seed=1,2"], ["predict", "input=x.csv"], ["flow"]]
)
def test_an_empty_outputs_folder_is_not_the_root(
    run_script: Run, tmp_path: Path, words: list[str]
) -> None:
    done = run_script(*words, "outputs=")
    assert (done.returncode, done.stderr) == (2, f"{words[0]}.py: {MESSAGE}")
    assert list(tmp_path.iterdir()) == []
