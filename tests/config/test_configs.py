"""Every file under conf/ composes and is instantiated as an object of its group."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from omegaconf import OmegaConf
from optuna.samplers import RandomSampler
from predicting import predict
from scipy.sparse import csr_matrix
from sklearn.base import is_classifier

from sentiment.commands.search.ranking import find_objectives
from sentiment.commands.search.studies.spaces import read_space
from sentiment.config import compose, make, write_override
from sentiment.config.schemas import COMMANDS, TARGETS
from sentiment.config.targets import locate
from sentiment.config.type_hints import list_hints
from sentiment.data.datasets import Dataset
from sentiment.modeling.adapting import adapt_classifier
from sentiment.modeling.estimators.label_set_chain import LabelSetChain
from sentiment.modeling.pipeline import fit, list_vectorizers, make_pipeline
from sentiment.modeling.scoring import BatchScorer
from sentiment.ngrams.rules import find_rules
from sentiment.ngrams.vectorizers import TfidfVectorizer
from sentiment.tracking import MlflowTracker, NoTracker

CONF = Path(__file__).resolve().parents[2] / "conf"
FILES = sorted(path.relative_to(CONF) for path in CONF.rglob("*.yaml"))
# Parts of other files, or files that Hydra itself instantiates; the scripts' tests run those.
PARTS = {
    Path("common/command.yaml"),
    Path("common/dataset.yaml"),
    Path("common/search.yaml"),
    Path("common/sweep.yaml"),
    Path("common/table.yaml"),
    Path("hydra/hydra_logging/quiet.yaml"),
    Path("hydra/job_logging/quiet.yaml"),
    Path("hydra/launcher/joblib.yaml"),
    *(path for path in FILES if path.is_relative_to("common/space")),
    *(path for path in FILES if path.is_relative_to("common/recipe")),
}


def name_of(path: Path) -> str:
    return path.with_suffix("").as_posix()


def options(group: str) -> list[str]:
    return [path.stem for path in FILES if path.parent.as_posix() == group]


def make_one(group: str, name: str, *methods: str) -> Any:
    if name == "lightgbm":  # an extra
        pytest.importorskip("lightgbm")
    needs_path = group == "data" and name in ("kaggle", "aclimdb", "csv")
    overrides = [f"{group}={name}", *(["data.path=somewhere"] if needs_path else [])]
    return make(compose("train", overrides), group, *methods)


def test_every_config_file_is_tested() -> None:
    groups = {path.parent.as_posix() for path in FILES} - {part.parent.as_posix() for part in PARTS}
    assert groups == {
        *(".", "data", "features", "model", "deploy", "tracking", "experiment", "search")
    }
    primaries = {path.stem for path in FILES if path.parent == Path()}
    assert primaries == {
        *("train", "predict", "explain", "best", "monitor", "compare", "promote", "finalize"),
        *("record", "flow", "suggest", "serve"),
    }


@pytest.mark.parametrize("name", options("data"))
def test_data(name: str) -> None:
    dataset = make_one("data", name, "read")
    assert isinstance(dataset, Dataset)
    assert (dataset.name, dataset.limit, dataset.on_bad_rows) == (name, None, "drop")
    assert (dataset.validation_size, dataset.test_size) == (0.1, 0.2)


@pytest.mark.parametrize("name", options("features"))
def test_features(name: str) -> None:
    texts = ["a good film", "a bad film", "good good fun"] * 5
    labels = ["good", "bad", "good"] * 5
    transformer = make_one("features", name, "fit", "transform")
    if name == "lsa":  # there are as many topics as terms at most
        transformer.set_params(svd__n_components=2)
    assert transformer.fit_transform(texts, labels).shape[0] == 15


@pytest.mark.slow
@pytest.mark.parametrize("name", options("model"))
def test_model(name: str) -> None:
    classifier = make_one("model", name, "fit")
    if name == "classifier_chain":  # it takes several labels in a row; see its own tests
        assert isinstance(make_pipeline(TfidfVectorizer(), classifier, ";")["model"], LabelSetChain)
        return
    classifier = adapt_classifier(classifier)
    assert is_classifier(classifier)
    rows = csr_matrix([[1.0, 0.0], [0.0, 1.0]] * 30)
    labels = ["1", "2"] if name == "ordinal" else ["a", "b"]  # only numbers have an order
    fitted = classifier.fit(rows, np.array(labels * 30))
    assert fitted.predict(rows[:2]).tolist() == labels
    assert fitted.predict_proba(rows).shape == (60, 2)


def test_self_training_may_be_inside_of_another_model() -> None:
    cfg = compose("train", ["model=ensemble", "+model@model.members.few=self_training"])
    alone = compose("train", ["model=self_training"])
    assert cfg.model.members.few == alone.model


@pytest.mark.parametrize("student", ["svm", "ridge", "naive_bayes"])
def test_any_linear_model_can_be_the_student_of_self_training(student: str) -> None:
    cfg = compose("train", ["experiment=few_labels", f"model@model.estimator={student}"])
    assert cfg.model.estimator == compose("train", [f"model={student}"]).model
    classifier = adapt_classifier(make(cfg, "model", "fit"))
    assert classifier.estimator.__module__.startswith(("sklearn.", "sentiment."))
    assert hasattr(classifier.estimator, "predict_proba")


@pytest.mark.parametrize(
    ("overrides", "group", "choice"),
    [
        (["experiment=few_labels", "features=char"], "features", "features=char"),
        (["experiment=best", "model=nbsvm"], "model", "model=nbsvm"),
        (["experiment=fast", "model=svm"], "model", "model=svm"),
    ],
)
def test_other_choices_in_an_experiment_have_their_own_settings(
    overrides: list[str], group: str, choice: str
) -> None:
    # Not resolved, since the experiment may set what they refer to.
    actual, expected = (
        OmegaConf.to_container(compose("train", typed)[group]) for typed in (overrides, [choice])
    )
    assert actual == expected


@pytest.mark.parametrize("name", options("deploy"))
def test_deploy(name: str) -> None:
    assert isinstance(make_one("deploy", name, "score"), BatchScorer)


@pytest.mark.parametrize("name", options("tracking"))
def test_tracking(name: str) -> None:
    tracker = make_one("tracking", name, "start", "find_model")
    assert isinstance(tracker, MlflowTracker | NoTracker)


@pytest.mark.parametrize("name", options("experiment"))
def test_experiment(name: str) -> None:
    features = make(compose("train", [f"experiment={name}"]), "features")
    vectorizers = list(list_vectorizers(features))
    assert vectorizers
    assert all(find_rules(vectorizer) for vectorizer in vectorizers), (
        "the kernels know its token patterns"
    )
    text = (CONF / "experiment" / f"{name}.yaml").read_text()
    assert f"python scripts/train.py experiment={name}" in text, "the command heads the file"


@pytest.mark.parametrize(
    "primary",
    ["train", "predict", "best", "monitor", "compare", "promote", "finalize", "record", "serve"],
)
def test_the_primary_configs_have_the_settings_of_their_schemas(primary: str) -> None:
    missing = {
        "predict": ["input=x.csv"],
        "best": ["search.name=svm"],
        "monitor": ["current=x.csv"],
        "record": ["folder=x"],
        "compare": ["runs=[a,b]"],
    }
    overrides = missing.get(primary, [])
    cfg = compose(primary, overrides)
    assert set(cfg) == set(list_hints(COMMANDS[primary]))


@pytest.mark.parametrize("name", TARGETS)
def test_the_settings_of_a_class_are_its_parameters(name: str) -> None:
    assert list(inspect.signature(locate(name)).parameters) == list(list_hints(TARGETS[name]))


@pytest.mark.parametrize("path", [f for f in FILES if f.parent != Path()], ids=name_of)
def test_keys_are_parameters(path: Path) -> None:
    """Whatever the file sets is set on the object: nothing is swallowed."""
    group = path.parts[0]
    if path in PARTS or group in ("experiment", "search"):
        return
    instance = make_one(group, path.stem)
    text = OmegaConf.load(CONF / path)
    attributes = instance.get_params() if hasattr(instance, "get_params") else vars(instance)
    for key in text:
        if key in ("_target_", "defaults", "parts", "members", "weights"):
            continue
        assert key in attributes


def test_the_ensemble_is_composed_from_its_members_files() -> None:
    cfg = compose("train", ["model=ensemble", "model.members.naive_bayes.alpha=0.7", "seed=9"])
    members = dict(make(cfg, "model").estimators)
    assert list(members) == ["logistic_regression", "svm", "naive_bayes"]
    assert members["naive_bayes"].alpha == 0.7
    assert members["logistic_regression"].random_state == 9
    alone = make(compose("train", ["model=svm", "seed=9"]), "model")
    assert repr(members["svm"]) == repr(alone)


def test_members_can_be_weighted_by_name() -> None:
    weights = "model.weights={svm:2}"
    assert make(compose("train", ["model=ensemble", weights]), "model").weights == [1.0, 2, 1.0]


def test_lists_become_the_pairs_that_scikit_learn_wants() -> None:
    cfg = compose("train", ["features.ngram_range=[1,3]"])
    assert make(cfg, "features").ngram_range == (1, 3)
    union = compose("train", ["features=union", "features.parts.char.ngram_range=[2,4]"])
    assert dict(make(union, "features").transformer_list)["char"].ngram_range == (2, 4)


def test_one_seed_sets_all_seeds() -> None:
    cfg = compose("train", ["seed=7", "model=svm"])
    assert make(cfg, "model").estimator.random_state == 7


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in options("search") if name != "grid"])
def test_search(name: str) -> None:
    if name == "lightgbm":
        pytest.importorskip("lightgbm")
    cfg = compose("train", [f"search={name}"])
    space = read_space(cfg.search, [])
    assert cfg.search.name == name
    assert find_objectives(cfg.search.objectives or [cfg.optimize])
    trial = optuna.create_study(sampler=RandomSampler(seed=1)).ask(dict(space.common))
    cases: list[dict[str, Any]] = [{}]
    if name == "all":
        assert list(space.common)[-1] == "model"
        cases = [space.branches["model"][case] for case in space.branches["model"]]
    else:
        assert cfg.model == compose("train", [f"model={name}"]).model
    for model, case in zip(space.branches.get("model", [name]), cases, strict=True):
        drawn = {key: trial._suggest(f"{key} {model}", d) for key, d in case.items()}
        params = {**trial.params, **drawn, "model": model}
        typed = space.write({k: v for k, v in params.items() if " " not in k})
        composed = compose("train", typed)
        assert is_classifier(make(composed, "model", "fit"))
        make(composed, "features", "fit", "transform")


# Too slow for a search over many models, not installed by default, made of others, for labels on a
# scale only, or for texts without a label.
ALONE = {
    *("gradient_boosting", "knn", "lightgbm", "ordinal", "random_forest", "self_training"),
    "stacking",
}


@pytest.mark.parametrize("features", options("features"))
def test_a_search_draws_settings_that_the_features_have(features: str) -> None:
    cfg = compose("train", ["search=svm", f"features={features}"])
    drawn = [key for key in read_space(cfg.search, []).common if key.startswith("features.")]
    missing = object()
    assert [key for key in drawn if OmegaConf.select(cfg, key, default=missing) is missing] == []
    assert bool(drawn) == (features in ("tfidf", "char"))
    assert "model.estimator.C" in read_space(cfg.search, []).common


def test_every_quick_model_has_its_part_in_all() -> None:
    models = set(options("search")) - {"all", "grid"}
    assert set(compose("train", ["search=all"]).search.branches.model) == models - ALONE
    assert models | {"ensemble", "classifier_chain", "nbsvm_student"} == set(options("model"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in options("search") if name != "grid"])
def test_samples_of_a_space_have_every_choice_and_both_bounds(name: str) -> None:
    space = read_space(compose("train", [f"search={name}"]).search, [])
    overrides = {override for sample in space.list_samples() for override in sample}
    cases = [case for spaces in space.branches.values() for case in spaces.values()]
    for part in (space.common, *cases):
        for key, drawn in part.items():
            values = getattr(drawn, "choices", None) or (drawn.low, drawn.high)
            assert {write_override(key, value) for value in values} <= overrides


def make_topics(classes: int) -> pd.DataFrame:
    """Return 210 short texts, as many of each class as of another, which has words of its own."""
    rng = np.random.default_rng(classes)
    labels = np.arange(210) % classes
    word_numbers = [
        [*rng.integers(0, 40, 12), *(100 + 3 * k + rng.integers(0, 3, 4))] for k in labels
    ]
    texts = [" ".join(f"w{word}" for word in row) for row in word_numbers]
    return pd.DataFrame({"text": texts, "label": [f"c{k}" for k in labels]})


@pytest.mark.parametrize("name", ["fast", "best"])
def test_an_experiment_learns_any_number_of_classes(name: str) -> None:
    cfg = compose("train", [f"experiment={name}"])
    for classes in (2, 3, 10):
        frame = make_topics(classes)
        pipeline = fit(make_pipeline(make(cfg, "features"), make(cfg, "model")), frame[:150])
        labels, _ = predict(pipeline, frame[150:])
        assert np.mean(labels == frame["label"][150:]) > 0.9


@pytest.mark.slow
# Of the members of a stack, each is tested alone.
@pytest.mark.parametrize("name", sorted(set(options("search")) - {"all", "grid", "stacking"}))
def test_every_choice_of_a_space_works_with_any_number_of_classes(name: str) -> None:
    if name == "lightgbm":
        pytest.importorskip("lightgbm")
    overrides = [f"model={name}"]
    if name in {"gradient_boosting", "lightgbm", "random_forest"}:
        overrides.append("model.n_estimators=2")
    space = read_space(compose("train", [f"search={name}"]).search, overrides)
    topics = [make_topics(classes) for classes in (3, 9)]
    if name == "ordinal":  # only numbers have an order
        topics = [
            frame.assign(label=pd.factorize(frame["label"])[0].astype(str)) for frame in topics
        ]
    for sample in space.list_samples():
        cfg = compose("train", sample)
        for frame in topics:
            pipeline = make_pipeline(make(cfg, "features"), make(cfg, "model"))
            labels, _ = predict(fit(pipeline, frame), frame)
            assert set(labels) <= set(frame["label"])
