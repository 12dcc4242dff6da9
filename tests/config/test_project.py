"""The user's own classes: trust in them, and their import."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Run

import sentiment
from sentiment.config import compose, list_trusted, make, make_command_tags, read_overrides, trust
from sentiment.config import project as own_project
from sentiment.config.targets import is_allowed
from sentiment.errors import ConfigError, ProjectFileError

MODEL = """
from sklearn.linear_model import LogisticRegression
from subprocess import run

class Bold(LogisticRegression):
    pass
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, with a package of the user's and a pyproject.toml that trusts it."""
    monkeypatch.setattr("sentiment.config.project._typed_patterns", {})
    monkeypatch.setattr(sys, "path", [*sys.path])
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(MODEL)
    (tmp_path / "pyproject.toml").write_text('[tool.sentiment]\ntrusted = ["mine.*"]\n')
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "bold.yaml").write_text("_target_: mine.models.Bold\nC: 2.0\n")
    (tmp_path / "conf" / "model" / "svm.yaml").write_text("_target_: mine.models.Bold\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]


OWN = ["model=bold"]


def fault(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        compose("train", list(overrides))
    return str(caught.value)


def test_a_config_names_a_class_that_the_project_trusts() -> None:
    model = make(compose("train", [*OWN, "model.C=3"]), "model", "predict_proba")
    assert (type(model).__module__, type(model).__name__, model.C) == ("mine.models", "Bold", 3)


def test_its_parameters_are_checked_as_those_of_scikit_learn() -> None:
    assert fault(*OWN, "+model.D=1").startswith("model.D is not a parameter of Bold. Leave it out;")
    assert fault(*OWN, "model.C=-1") == "model.C is -1; expected a float in the range (0.0, inf]."


def test_without_trust_the_message_names_the_remedy(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.sentiment]\n")
    assert fault(*OWN) == (
        "model._target_ is 'mine.models.Bold', which is not allowed. Expected a class of this "
        "project or of scikit-learn, or one that you trust: list it in the pyproject.toml of this "
        "folder, [tool.sentiment] trusted = [\"mine.*\"], or add 'trusted=[mine.*]' to the command."
    )
    assert "mine.models" not in sys.modules


def test_a_trusted_package_does_not_expose_its_imports() -> None:
    assert not is_allowed("mine.models.run")
    assert is_allowed("mine.models.LogisticRegression")  # of scikit-learn, by another name
    trust(["mine.models.run"])
    assert is_allowed("mine.models.run")


def test_only_what_the_user_typed_is_trusted(project: Path) -> None:
    """The settings of a stored run are composed, too."""
    (project / "pyproject.toml").write_text("[tool.sentiment]\n")
    assert "which is not allowed" in fault(*OWN, "trusted=[mine.*]")
    assert list_trusted() == []
    cfg = compose("train", [*OWN, "trusted=[mine.*]"], typed=True)
    assert type(make(cfg, "model")).__name__ == "Bold"
    assert list_trusted() == ["mine.*"]


def test_trusted_settings_of_a_recorded_command_are_ignored() -> None:
    overrides = ["model=svm", "trusted=[os.*]", "+trusted=[a.b]", "++trusted.0=os.*", "seed=1"]
    tags = make_command_tags("train", overrides)
    for recorded in (tags, {"command": tags["command"]}, {"overrides": tags["overrides"]}):
        assert read_overrides(recorded) == ["model=svm", "seed=1"]


def test_the_folder_of_the_project_hides_no_library(project: Path) -> None:
    (project / "json.py").write_text("raise SystemExit")
    compose("train", OWN)
    assert sys.path[-1] == str(project)


def test_a_warning_says_that_an_installed_package_hides_the_folder(
    project: Path, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    installed = tmp_path_factory.mktemp("site") / "mine"
    installed.mkdir()
    (installed / "__init__.py").touch()
    (installed / "models.py").write_text(MODEL)
    sys.path.insert(0, str(installed.parent))
    own_project._warn_of_other_copy.cache_clear()
    compose("train", OWN)
    assert f"mine is the installed package '{installed}', not the folder 'mine'" in caplog.text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import json\njson.loads('{')", "JSONDecodeError: Expecting property name"),
        ("\nvalue = = 3", "SyntaxError: invalid syntax"),
        ("\nimport absent_module", "ModuleNotFoundError: No module named 'absent_module'"),
        ("\nraise SystemExit('no')", "SystemExit: no"),
    ],
)
def test_a_module_that_raises_is_one_message(project: Path, code: str, said: str) -> None:
    (project / "mine" / "models.py").write_text(code)
    message = fault(*OWN)
    assert message.startswith("model._target_ is 'mine.models.Bold': mine.models raised an error: ")
    assert said in message
    assert ", in mine/models.py, line 2. Correct that file" in message


@pytest.mark.parametrize("name", ["mine.absent.Bold", "mine.models.Absent"])
def test_a_missing_class_names_the_working_folder(project: Path, name: str) -> None:
    assert fault(*OWN, f"model._target_={name}") == (
        f"model._target_ is '{name}', but there is no such class or function in '{project}' or "
        "among the installed packages."
    )


@pytest.mark.parametrize("value", ["mine.*", "[1]", "['*']", "['']", "null", "[os]", "[a.*.b]"])
def test_an_invalid_list_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^trusted is .*; expected a list \[...\], each a class"):
        compose("train", [f"trusted={value}"], typed=True)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[tool.sentiment]\ntrusted = [1]", "trusted is [1]; expected a list, each a class"),
        ('[tool.sentiment]\ntrusted = "a.*"', "trusted is 'a.*'; expected a list"),
        ('[tool.sentiment]\ntrusted = ["*"]', "trusted is ['*']; expected a list"),
        ("[tool.sentiment]\ntrusted = 5", "trusted is 5; expected a list"),
        ("[tool.sentiment]\ntrusted = true", "trusted is True; expected a list"),
        ("[tool.sentiment]\ntrusted = {}", "trusted is {}; expected a list"),
        ("[tool.sentiment]\ntrustd = []", "no setting 'trustd'. Did you mean 'trusted'?"),
        ("[tool]\nsentiment = 3", "tool.sentiment is 3; expected a table"),
        ("\n[tool.sentiment\n", "it is not valid TOML: Expected ']' at the end of a table "
         "declaration (at line 2, column 16)"),
    ],
)  # fmt: skip
def test_a_project_file_with_a_mistake_is_refused(project: Path, written: str, said: str) -> None:
    (project / "pyproject.toml").write_text(written)
    with pytest.raises(ProjectFileError) as caught:
        compose("train")
    assert f"'{project / 'pyproject.toml'}' cannot be used: " in str(caught.value)
    assert said in str(caught.value)


def test_a_project_file_of_other_programs_is_ignored(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.other\n")
    assert compose("train").trusted == []


def test_the_configs_of_a_project_are_choices() -> None:
    assert make(compose("train", ["model=bold"]), "model").C == 2
    # A name that this project has means its own file.
    assert compose("train", ["model=svm"]).model.estimator.C == 0.3


def test_commands_find_the_project(run_script: Run, project: Path) -> None:
    (project / "mine" / "models.py").write_text("\nraise ValueError('not today')")
    done = run_script("train", *OWN)
    assert done.returncode == 2
    assert "mine.models raised an error: ValueError: not today, in mine/models.py, line 2." in (
        done.stderr
    )
    assert "Traceback" not in done.stderr
    (project / "pyproject.toml").write_text("[tool.sentiment\n")
    done = run_script("predict", "input=x.csv")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "(at line 1, column 16)" in done.stderr


def test_the_library_trusts_what_its_user_lists(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.sentiment]\n")
    with pytest.raises(ConfigError, match="which is not allowed"):
        sentiment.train(*OWN)
    with pytest.raises(ConfigError, match="model.C is -1"):
        sentiment.train(*OWN, "trusted=[mine.*]", "model.C=-1")
