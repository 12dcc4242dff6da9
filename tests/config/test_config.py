import re
import sys

import pytest
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from sentiment.config import check_options, compose, explain_error, flatten, make, quote_free_text
from sentiment.config.arguments import get_function
from sentiment.config.checking import check_config
from sentiment.config.metrics import describe_expected
from sentiment.config.targets import is_allowed
from sentiment.errors import ConfigError

KNOWN = (
    "data, features, model, deploy, tracking, seed, cv, refit, optimize, outputs, trusted, memory, "
    "search"
)


def mistake(*overrides: str) -> str:
    """Return the message that these overrides of train.yaml end in."""
    try:
        cfg = compose("train", list(overrides))
        for group in ("data", "features", "model", "deploy", "tracking"):
            make(cfg, group)
    except Exception as error:
        problem = explain_error(error)
        assert isinstance(problem, ConfigError), error
        return str(problem)
    raise AssertionError("nothing was wrong")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model=svn",
            "model=svn: there is no such model. Did you mean 'svm'? Expected one of "
            "classifier_chain, ensemble, gradient_boosting, knn, lightgbm, logistic_regression, "
            "naive_bayes, nbsvm, nbsvm_student, "
            "ordinal, random_forest, ridge, self_training, sgd, stacking, svm.",
        ),
        (
            "model=",
            "model=: there is no such model. Expected one of classifier_chain, "
            "ensemble, gradient_boosting, knn, lightgbm, logistic_regression, naive_bayes, nbsvm, "
            "nbsvm_student, "
            "ordinal, random_forest, ridge, self_training, sgd, stacking, svm.",
        ),
        (
            "features.max_feature=5",
            "there is no setting 'features.max_feature'. Did you mean 'features.max_features'? "
            "Known: ngram_range, min_df, max_df, max_features, sublinear_tf, token_pattern, "
            "stop_words, log_count_ratio, memory.",
        ),
        (
            "experimnt=best",
            "there is no setting 'experimnt'. Did you mean 'experiment'? "
            f"Known: {KNOWN}, experiment.",
        ),
        ("sed=5", f"there is no setting 'sed'. Did you mean 'seed'? Known: {KNOWN}, experiment."),
        (
            "max_features=5",
            "there is no setting 'max_features'. Did you mean 'features.max_features'? "
            f"Known: {KNOWN}, experiment.",
        ),
        (
            "features.name=x",
            "there is no setting 'features.name'. Did you mean 'data.name'? Known: ngram_range, "
            "min_df, max_df, max_features, sublinear_tf, token_pattern, stop_words, "
            "log_count_ratio, memory.",
        ),
        (
            "model.penalty=l2",
            "model.penalty is a parameter of LogisticRegression that its config file does not set; "
            "add it with a plus: +model.penalty=<value>.",
        ),
        (
            "+model.typo=1",
            "model.typo is not a parameter of LogisticRegression. Leave it out; if a config file "
            "has it, type ~model.typo. Known: penalty, C, l1_ratio, "
            "dual, tol, fit_intercept, intercept_scaling, class_weight, random_state, solver, "
            "max_iter, verbose, warm_start, n_jobs.",
        ),
        ("+typo=1", f"there is no setting 'typo'. Known: {KNOWN}."),
        ("+sead=1", f"there is no setting 'sead'. Did you mean 'seed'? Known: {KNOWN}."),
        (
            "seed=abc",
            "seed is 'abc'; expected a whole number from 0 to 2**32 - 1.",
        ),
        ("data=kaggle", "data.path has no value; give it: data.path=<value>."),
        (
            "model.C=abc",
            "model.C is 'abc'; expected a float in the range (0.0, inf] or auto.",
        ),
        (
            "features.ngram_range=2",
            "features.ngram_range is 2; expected two whole numbers above 0, the least first, such "
            "as [1,2].",
        ),
        (
            "model._target_=os.system",
            "model._target_ is 'os.system', which is not allowed. Expected a class of this "
            "project or of scikit-learn, or one of your own package.",
        ),
        (
            "model._target_=sklearn.linear_model.Logistic",
            "model._target_ is 'sklearn.linear_model.Logistic', but there is no such class or "
            "function.",
        ),
        (
            "model=null",
            "model=null: expected the name of a file, one of classifier_chain, ensemble, "
            "gradient_boosting, knn, "
            "lightgbm, logistic_regression, naive_bayes, nbsvm, "
            "nbsvm_student, "
            "ordinal, random_forest, ridge, self_training, sgd, stacking, svm.",
        ),
        (
            "model=[svm,x]",
            "model=x: there is no such model. Expected one of classifier_chain, "
            "ensemble, gradient_boosting, knn, lightgbm, logistic_regression, naive_bayes, nbsvm, "
            "nbsvm_student, "
            "ordinal, random_forest, ridge, self_training, sgd, stacking, svm.",
        ),
        ("~model", "model has no value; give it: model=<value>."),
        ("~nope", "there is no setting 'nope' to delete."),
        ("+seed=5", "seed has a value already; change it without a plus: seed=5"),
        (
            "model.C=1,2",
            "'model.C=1,2' has several values, which a grid or a search takes: add -m. A list is "
            "typed as [a,b], and a text with a comma in quotes, \"key='a,b'\".",
        ),
        (
            "model._target_=sklearn.neighbors.NearestCentroid",
            "model.C, model.class_weight, model.solver, model.tol, model.max_iter and "
            "model.random_state are not parameters of NearestCentroid. Leave them out; if a config "
            "file has them, type ~model.C ~model.class_weight ~model.solver ~model.tol "
            "~model.max_iter ~model.random_state. Known: metric, shrink_threshold, priors.",
        ),
        ("model.C=choice()", "model.C=choice(): 'choice()': empty choice is not legal."),
        (
            "seed=${nope}",
            "seed is '${nope}', which has no value: Interpolation key 'nope' not found.",
        ),
        (
            "model.class_weight={a:x}",
            "model.class_weight is {'a': 'x'}; expected a text, or names with values {name: ...}, "
            "each a number above 0, or null.",
        ),
        ("model", "'model' is not a setting; expected key=value, such as model=svm."),
        (
            "data.path=a=b=[",
            "'data.path=a=b=[' cannot be read: mismatched input '=' expecting <EOF>. Quote a value "
            "that has special signs in it: \"key='value'\".",
        ),
        (
            "deploy.metric=auc",
            f"deploy.metric is 'auc'; expected {describe_expected()}. Did you mean 'roc_auc'?",
        ),
        (
            "deploy.max_chars=0",
            "deploy.max_chars is 0; expected a whole number of characters above 0.",
        ),
        (
            "deploy.format=xls",
            "deploy.format is 'xls'; expected one of csv, parquet, jsonl, or null.",
        ),
    ],
)
def test_a_mistake_is_reported_in_one_message(override: str, message: str) -> None:
    assert mistake(override) == message


@pytest.mark.slow
def test_an_invalid_override_hides_no_other_problem() -> None:
    """Hydra stops at the first of these."""
    printed = mistake("sed=4", "model=svn", "model.C=abc", "seed=1.5", "data=kaggle", "x", "cv=1")
    assert [line.partition(";")[0] for line in printed.splitlines()] == [
        "6 problems in the configuration:",
        f"  - there is no setting 'sed'. Did you mean 'seed'? Known: {KNOWN}, experiment.",
        "  - model=svn: there is no such model. Did you mean 'svm'? Expected one of "
        "classifier_chain, ensemble, gradient_boosting, knn, lightgbm, logistic_regression, "
        "naive_bayes, nbsvm, nbsvm_student, "
        "ordinal, random_forest, ridge, self_training, sgd, stacking, svm.",
        "  - 'x' is not a setting",
        "  - seed is 1.5",
        "  - cv is 1",
        "  - data.path has no value",
    ]


def test_all_problems_are_reported_at_once() -> None:
    printed = mistake("data=csv", "+model.typo=1", "+deploy._target_x=1", "+sead=1")
    assert printed.startswith("4 problems in the configuration:\n")
    assert "  - data.path has no value" in printed
    assert "  - model.typo is not a parameter" in printed
    assert "  - there is no setting 'deploy._target_x'. Known: run, metric, " in printed


def test_the_message_removes_settings_of_another_class() -> None:
    other = "model._target_=sklearn.neighbors.NearestCentroid"
    dropped = re.findall(r"~[\w.]+\w", mistake(other))
    compose("train", [other, *dropped])


def test_a_group_of_train_does_not_exist_for_other_commands() -> None:
    with pytest.raises(ConfigError) as caught:
        compose("flow", ["data=csv"])
    assert str(caught.value) == (
        "data=<name> chooses a part of another command than this one. A flow takes what is for "
        "train as one text: train='data=<name>'."
    )
    with pytest.raises(ConfigError) as caught:
        compose("predict", ["input=x.csv", "model=svm"])
    assert "take a trained model by deploy.run=<run id>." in str(caught.value)


def test_problems_inside_of_members_are_found() -> None:
    assert mistake("model=ensemble", "+model.members.svm.estimator.D=1").startswith(
        "model.members.svm.estimator.D is not a parameter of LinearSVC. Leave it out; if a config "
        "file has it, type ~model.members.svm.estimator.D. Known: "
    )
    assert "which is not allowed" in mistake(
        "model=ensemble", "model.members.svm.estimator._target_=builtins.eval"
    )


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.run",
        "sklearn.svm",
        "sklearn.utils._joblib.dump",
        "sklearnx.linear_model.X",
        "sentiment.tracking",
        "sentiment.tracking.provenance._git",
        "sentiment.modeling.model_files.load_model",
        "joblib.load",
    ],
)
def test_only_listed_targets_are_allowed(target: str) -> None:
    assert not is_allowed(target)


def test_an_alias_of_a_foreign_function_is_refused() -> None:
    name = "sklearn.feature_extraction.text.partial"
    assert "which is not allowed" in mistake(f"model._target_={name}")
    # The whitelist stands even where the check was not made.
    cfg = OmegaConf.create({"model": {"_target_": name}})
    with pytest.raises(InstantiationException, match="whitelist"):
        make(cfg, "model")


def test_a_function_that_a_config_names_is_an_allowed_one() -> None:
    with pytest.raises(ValueError, match="not allowed in a config"):
        get_function("os.system")
    # Hydra's whitelist has get_function, which has its own check where no other was made.
    described = {"_target_": "sentiment.config.arguments.get_function", "name": "os.system"}
    with pytest.raises(ConfigError, match=r"'os\.system' is not allowed in a config"):
        make(OmegaConf.create({"model": described}), "model")


def test_a_package_that_is_missing_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    assert mistake("model=lightgbm") == (
        "model._target_ is 'lightgbm.LGBMClassifier', but lightgbm is not installed: "
        "pip install 'sentiment[lightgbm]'."
    )


def test_settings_are_flattened_for_the_record() -> None:
    flat = flatten(compose("train", ["model=ensemble"]))
    assert flat["model.members.svm.estimator.C"] == 0.3
    assert flat["model.members.svm.estimator.random_state"] == 42
    assert flat["features.ngram_range"] == [1, 2]
    assert flat["cv"] is None
    assert flat["tracking.uri"] == "sqlite:///outputs/mlflow.db"


def test_values_that_are_not_text_are_unchanged() -> None:
    arguments = ["-m", "model=svm,nbsvm", "input=null", "text='it is'", "output=${x}", "--help"]
    assert quote_free_text(arguments) == arguments
    assert quote_free_text(["deploy.threshold=precision>=0.9", "input=a (1).csv"]) == [
        "deploy.threshold='precision>=0.9'",
        "input='a (1).csv'",
    ]


@pytest.mark.parametrize(
    ("primary", "word", "example"),
    [
        ("predict", "my reviews.csv", ", such as input='my reviews.csv'"),
        ("explain", "hello", ", such as text=hello"),
        ("train", "svm", ", such as model=svm"),
        ("train", "kaggle", ", such as data=kaggle"),
        ("train", "../model/svm", ", such as model=svm"),
        ("promote", "champion", ""),
    ],
)
def test_a_value_without_a_key_gets_a_suggested_key(primary: str, word: str, example: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(primary, [word])
    assert str(caught.value) == f"{word!r} is not a setting; expected key=value{example}."


@pytest.mark.parametrize(
    ("arguments", "example"),
    [
        (["--model=svm"], "--model; settings are written without dashes: model=svm"),
        (["seed=1", "--model", "svm"], "--model; settings are written without dashes: model=svm"),
        (["--n_jobs", "seed=1"], "--n_jobs; settings are written without dashes: n_jobs=<value>"),
        (["--verbose"], "--verbose; settings are written without dashes: verbose=<value>"),
    ],
)
def test_a_setting_written_like_an_option_is_a_mistake(arguments: list[str], example: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_options(arguments)
    assert str(caught.value) == f"there is no option {example}."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["seed=1", "-x"], "unrecognized arguments: -x. Expected key=value, or an option that "),
        (["-cn"], "argument --config-name/-cn: expected one argument. Expected key=value"),
        (["-m", "--cfg", "job"], "only one of run, multirun, cfg, info, shell_completion can be "),
        (["--cfg", "jobs"], "argument --cfg/-c: invalid choice: 'jobs'"),
    ],
)
def test_an_option_that_hydra_refuses_is_a_mistake(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_options(arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["seed=1", "-m", "--multirun"],
        ["--config-dir=conf", "--config-dir", "conf"],
        ["--multi"],
        ["--cfg", "job"],
        ["input=--x"],
    ],
)
def test_options_of_hydra_are_passed_on(arguments: list[str]) -> None:
    check_options(arguments)


@pytest.mark.parametrize(
    "address",
    ["hooks.example/aSecret", "ftp://h/aSecret", "http://[::1/aSecret", "https://h:99999/aSecret",
     "https://h/a Secret", "https://:80/aSecret", "https://?aSecret",
     "https://h:x/aSecret", "https://h\u00e9/aSecret"],
)  # fmt: skip
def test_an_invalid_address_is_hidden_since_it_may_be_a_secret(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_config(compose("serve", [f'alert.url="{address}"']))
    assert str(caught.value).startswith(
        "alert.url is ***; expected an address that begins with https://"
    )
