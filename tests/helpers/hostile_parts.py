"""Skops files of trusted classes only, with parts that are not sound; see `hostile_files`."""

import json
import zipfile

import numpy as np
from hostile_files import Bench, hostile, node_of, npy_of, state_of
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Normalizer

STEPS = "its steps are not text, clean, features, model"
ODD = "it holds a vectorizer that does not just split texts"
FOR_EVER = "it holds a token pattern that may take for ever"
WRONGLY = "that is set up wrongly"
VOCABULARY = "it holds an invalid vocabulary"
WEIGHTS = "it holds weights that do not fit their vocabulary"
LINKS = "it holds a decision tree with broken links"


def _enter(step: str, model: str, cases: dict[str, tuple[dict[str, object], str]]) -> None:
    """Enter a file for each case: attributes of a step, and the reason."""
    for title, (attributes, reason) in cases.items():

        def make(bench: Bench, attributes: dict[str, object] = attributes) -> None:
            pipeline = bench.load(model)
            for name, value in attributes.items():
                kept = getattr(pipeline[step], name, None)
                setattr(pipeline[step], name, value(kept) if callable(value) else value)
            bench.dump(pipeline)

        make.__name__ = title
        hostile(reason)(make)


def _terms(change: object) -> dict[str, object]:
    return {"vocabulary": None, "vocabulary_": change}


_enter(
    "features",
    "linear",
    {
        "a vectorizer that reads files": ({"input": "filename"}, ODD),
        "a vectorizer that reads open files": ({"input": "file"}, ODD),
        "a vectorizer that reads something": ({"input": "socket"}, WRONGLY),
        "a tokenizer that is a trusted type": ({"tokenizer": lambda kept: np.str_}, ODD),
        "n-grams without an end": ({"ngram_range": (1, 10**9)}, ODD),
        "n-grams of nothing": ({"ngram_range": (0, 1)}, ODD),
        "n-grams of fractions": ({"ngram_range": (1, 1.5)}, ODD),
        "n-grams of three ends": ({"ngram_range": (1, 2, 3)}, "not loaded"),
        "an encoding error that is none": ({"decode_error": "explode"}, WRONGLY),
        "a pattern that backtracks": ({"token_pattern": r"(\w+\s?)+!"}, FOR_EVER),
        "a pattern of nested repetitions": ({"token_pattern": r"(?:(?:a*)*)*b"}, FOR_EVER),
        "a pattern of alternatives": ({"token_pattern": r"(?:a|aa)+$"}, FOR_EVER),
        "a pattern of many repetitions": ({"token_pattern": r"\w*\w*\w*\w*\w*x"}, FOR_EVER),
        "a pattern of many options": ({"token_pattern": r"a?" * 60 + "x"}, FOR_EVER),
        "a pattern that refers back": ({"token_pattern": r"(.)\1+x"}, FOR_EVER),
        "a pattern that looks ahead": ({"token_pattern": r"(?=(\w+))\1:"}, FOR_EVER),
        "a pattern of words that overlap": ({"token_pattern": r"\w+(?:[a-z]\w+)*!"}, FOR_EVER),
        "a pattern that is long": ({"token_pattern": "a" * 10**6}, FOR_EVER),
        "a pattern that is none": ({"token_pattern": "("}, "not loaded"),
        "a pattern of deep brackets": ({"token_pattern": "(" * 200 + ")" * 200}, "not loaded"),
        "stop words that are numbers": ({"stop_words": [1, 2]}, ODD),
        "stop words of Klingon": ({"stop_words": "klingon"}, WRONGLY),
        "a vectorizer of objects": ({"dtype": "O"}, "it holds a vectorizer of O"),
        "a vectorizer of strings": ({"dtype": "U5"}, "it holds a vectorizer of U5"),
        "a vectorizer with a folder": ({"memory": "/tmp"}, "it holds the name of a folder"),
        "a vectorizer with what was entered": ({"_entered": (1, 2, 3)}, "with _entered"),
        "a vectorizer with what was counted": ({"_counted": (1, 2, 3)}, "with _counted"),
        "a vectorizer with threads": ({"n_jobs": 4}, "with n_jobs"),
        "a vectorizer with a method": ({"transform": "x"}, "with transform"),
        "lower case that is a string": ({"lowercase": "no"}, WRONGLY),
        "a vocabulary of numbers": ({"vocabulary": np.arange(300)}, VOCABULARY),
        "a vocabulary of two dimensions": (
            {"vocabulary": lambda kept: kept.reshape(-1, 2)},
            "it holds vocabulary of 2 dimensions",
        ),
        "a vocabulary with a term twice": (
            {"vocabulary": lambda kept: np.append(kept[1:], kept[1])},
            "a term that is there twice",
        ),
        "a vocabulary that is short": ({"vocabulary": lambda kept: kept[:-1]}, WEIGHTS),
        "a vocabulary that is long": ({"vocabulary": lambda kept: np.append(kept, "z z")}, WEIGHTS),
        "a vocabulary of no characters": (
            {"vocabulary": lambda kept: np.full((len(kept), 1), 2**30, np.uint32).view("U1")[:, 0]},
            "holds values that are not characters",
        ),
        "a vocabulary that is a string": ({"vocabulary": "good"}, VOCABULARY),
        "no vocabulary": ({"vocabulary": None}, VOCABULARY),
        "indices out of bounds": (_terms({"good": 10**9, "bad": 0}), VOCABULARY),
        "indices below zero": (_terms({"good": -(10**6), "bad": 0}), VOCABULARY),
        "one index for two terms": (_terms({"good": 0, "bad": 0}), VOCABULARY),
        "indices that are strings": (_terms({"good": "0", "bad": "1"}), VOCABULARY),
        "terms that are numbers": (_terms({0: 0, 1: 1}), VOCABULARY),
        "fewer terms than weights": (_terms({"good": 0, "bad": 1}), WEIGHTS),
        "no weighting": ({"_tfidf": None}, WEIGHTS),
        "weighting that is a classifier": ({"_tfidf": ComplementNB()}, WEIGHTS),
    },
)


def _enter_weights() -> None:
    cases = {
        "too few inverse frequencies": (lambda kept: kept[:5], WEIGHTS),
        "too many inverse frequencies": (lambda kept: np.append(kept, 1.0), WEIGHTS),
        "a table of inverse frequencies": (
            lambda kept: np.tile(kept, (2, 1)),
            "it holds idf_ of 2 dimensions",
        ),
        "inverse frequencies without an end": (
            lambda kept: kept * np.inf,
            "it holds idf_ with something else than finite numbers",
        ),
        "inverse frequencies that are whole": (
            lambda kept: kept.astype(int),
            "it holds idf_ with something else than finite numbers",
        ),
    }
    for title, (change, reason) in cases.items():

        def make(bench: Bench, change: object = change) -> None:
            pipeline = bench.load()
            weighting = pipeline["features"]._tfidf
            weighting.idf_ = change(weighting.idf_)  # type: ignore[operator]
            bench.dump(pipeline)

        make.__name__ = title
        hostile(reason)(make)


_enter_weights()

COEF = "it holds coef_ with something else than finite numbers"
_enter(
    "model",
    "linear",
    {
        "weights that are not numbers": ({"coef_": lambda kept: kept * np.nan}, COEF),
        "weights without an end": ({"coef_": lambda kept: kept + np.inf}, COEF),
        "weights that are strings": ({"coef_": lambda kept: kept.astype(str)}, COEF),
        "weights that are a vector": ({"coef_": lambda kept: kept[0]}, "coef_ of 1 dimensions"),
        "weights that are a cube": ({"coef_": lambda kept: kept[None]}, "coef_ of 3 dimensions"),
        "too few weights": ({"coef_": lambda kept: kept[:, :5]}, "it does not take texts"),
        "too many weights": ({"coef_": lambda kept: np.tile(kept, 2)}, "it does not take texts"),
        "weights of more classes": (
            {"coef_": lambda kept: np.tile(kept, (7, 1)), "intercept_": np.zeros(7)},
            "it has 2 classes, and not a probability of each",
        ),
        "weights of records": (
            {"coef_": np.zeros((1, 3), [("a", "f8"), ("b", "f8")])},
            "coef_ that is not an array of numbers or strings",
        ),
        "intercepts that multiply": (
            {"intercept_": np.zeros((1000, 1))},
            "it holds intercept_ of 2 dimensions",
        ),
        "intercepts that are many": ({"intercept_": np.zeros(10**6)}, "an intercept_ that does"),
        "intercepts that are none": ({"intercept_": np.array([np.nan])}, "intercept_ with some"),
        "too many classes": (
            {"classes_": np.array(["a", "b", "c"])},
            "it does not take texts",
        ),
        "a class that is there twice": (
            {"classes_": np.array(["a", "a"])},
            "its classes are not strings in order",
        ),
        "classes that are numbers": ({"classes_": np.arange(2)}, "its classes are not strings"),
        "classes that are objects": (
            {"classes_": np.array(["a", "b"], dtype=object)},
            "classes_ that is not an array of numbers or strings",
        ),
        "classes with a command for the terminal": (
            {"classes_": np.array(["a", "b\x1b[2J"])},
            "its classes are not names",
        ),
        "classes that are not text": (
            {"classes_": np.array(["a", "b\ud800"])},
            "it does not take texts",
        ),
        "classes that are not characters": (
            {"classes_": np.array([[97], [2**30]], np.uint32).view("U1")[:, 0]},
            "holds values that are not characters",
        ),
        "classes that are a list": ({"classes_": ["a", "b"]}, "it does not take texts"),
        "jobs without an end": ({"n_jobs": 10**9}, "it holds n_jobs=1000000000"),
        "a verbosity that is a string": ({"verbose": "very"}, WRONGLY),
        "a strength below zero": ({"C": -1.0}, WRONGLY),
        "a solver that is none": ({"solver": "os.system"}, WRONGLY),
        "a method that is a number": ({"predict_proba": 3}, "it does not take texts"),
    },
)


@hostile("not loaded")  # newer versions of numpy refuse it by themselves
def a_random_state_that_reads_on_far_behind(bench: Bench) -> None:
    pipeline = bench.load()
    pipeline["model"].random_state = np.random.RandomState(0)
    bench.dump(pipeline)
    with zipfile.ZipFile(bench.path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members.pop("schema.json"))
    state = state_of(schema, "model")["random_state"]["content"]["content"]["state"]
    state["content"]["pos"] = node_of(10**8)
    bench.write(schema, members)


# Pipelines that are put together oddly.


def _respell(bench: Bench, steps: object) -> None:
    pipeline = bench.load()
    pipeline.steps = steps(pipeline.steps)  # type: ignore[operator]
    bench.dump(pipeline)


@hostile(STEPS)
def a_pipeline_without_cleaning(bench: Bench) -> None:
    _respell(bench, lambda steps: [steps[0], *steps[2:]])


@hostile("it is not a text classification pipeline")
def a_pipeline_without_a_model(bench: Bench) -> None:
    _respell(bench, lambda steps: steps[:3])


@hostile("it is not a text classification pipeline")
def a_pipeline_without_steps(bench: Bench) -> None:
    _respell(bench, lambda steps: [])


@hostile("not loaded")
def steps_that_are_no_pairs(bench: Bench) -> None:
    _respell(bench, lambda steps: [1, 2, 3, 4])


@hostile("it does not take texts")
def a_model_in_front(bench: Bench) -> None:
    _respell(bench, lambda steps: [*steps[:2], ("features", steps[3][1]), steps[3]])


@hostile("it is not a text classification pipeline")
def a_model_that_passes_through(bench: Bench) -> None:
    _respell(bench, lambda steps: [*steps[:3], ("model", "passthrough")])


@hostile("it does not take texts")
def features_that_pass_through(bench: Bench) -> None:
    _respell(bench, lambda steps: [*steps[:2], ("features", "passthrough"), steps[3]])


@hostile("it does not take texts")
def features_of_nothing(bench: Bench) -> None:
    _respell(bench, lambda steps: [*steps[:2], ("features", FeatureUnion([])), steps[3]])


@hostile("its parts are nested too deeply")
def a_pipeline_in_a_pipeline_in_a_pipeline(bench: Bench) -> None:
    def nest(steps: list[tuple[str, object]]) -> list[tuple[str, object]]:
        part = steps[2][1]
        for _ in range(30):
            part = Pipeline([("inner", part), ("norm", Normalizer())])
        return [*steps[:2], ("features", part), steps[3]]

    _respell(bench, nest)


@hostile("the name of a folder to keep things in")
def a_pipeline_that_keeps_pickles(bench: Bench) -> None:
    pipeline = bench.load()
    inner = Pipeline([("inner", pipeline["features"])], memory=str(bench.canary))
    pipeline.steps[2] = ("features", inner)
    bench.dump(pipeline)


@hostile("the name of a folder to keep things in")
def a_whole_pipeline_that_keeps_pickles(bench: Bench) -> None:
    pipeline = bench.load()
    pipeline.memory = str(bench.canary)
    bench.dump(pipeline)


@hostile("it holds n_jobs=1000000")
def a_union_of_a_million_processes(bench: Bench) -> None:
    _respell(
        bench,
        lambda steps: [
            *steps[:2],
            ("features", FeatureUnion([("a", steps[2][1])], n_jobs=10**6)),
            steps[3],
        ],
    )


@hostile("it is not a text classification pipeline")
def something_else_than_a_pipeline(bench: Bench) -> None:
    bench.dump(bench.load()["model"])


@hostile("it is not a text classification pipeline")
def a_list_of_pipelines(bench: Bench) -> None:
    bench.dump([bench.load()])


# Models of models.


@hostile("it does not take texts")
def a_vote_without_voters(bench: Bench) -> None:
    pipeline = bench.load("vote")
    pipeline["model"].estimators_ = []
    bench.dump(pipeline)


@hostile("it does not take texts")
def a_vote_of_vectorizers(bench: Bench) -> None:
    pipeline = bench.load("vote")
    pipeline["model"].estimators_ = [pipeline["features"]] * 2
    bench.dump(pipeline)


@hostile("it holds coef_ with something else than finite numbers")
def a_vote_with_weights_of_nan(bench: Bench) -> None:
    pipeline = bench.load("vote")
    pipeline["model"].estimators_[0].coef_ *= np.nan
    bench.dump(pipeline)


@hostile("it does not take texts")
def calibration_of_nothing(bench: Bench) -> None:
    pipeline = bench.load("vote")
    pipeline.steps[3] = ("model", CalibratedClassifierCV(pipeline["model"]))
    bench.dump(pipeline)


@hostile("its probabilities are not all between 0 and 1")
def probabilities_below_zero(bench: Bench) -> None:
    pipeline = bench.load("vote")
    pipeline["model"].weights = [-3.0, 4.0]
    pipeline["model"].estimators_[0].intercept_ += 20
    bench.dump(pipeline)


@hostile("it holds coefs_ with something else than finite numbers")
def a_network_with_weights_of_nan(bench: Bench) -> None:
    pipeline = bench.load("network")
    pipeline["model"].coefs_[0] *= np.nan
    bench.dump(pipeline)


@hostile("it does not take texts")
def a_network_whose_layers_do_not_fit(bench: Bench) -> None:
    pipeline = bench.load("network")
    pipeline["model"].coefs_[1] = np.ones((99, 1))
    bench.dump(pipeline)


@hostile("it does not take texts")
def a_network_of_too_many_layers(bench: Bench) -> None:
    pipeline = bench.load("network")
    pipeline["model"].n_layers_ = 10**12
    bench.dump(pipeline)


# Trees, whose compiled code goes where the numbers point.


def _enter_trees() -> None:
    """Enter a file for each number of the first tree of a forest that is not as it should be."""
    cases: dict[str, tuple[str, object]] = {
        "left links out of bounds": ("left_child", 10**6),
        "left links below zero": ("left_child", -7),
        "right links back": ("right_child", 0),
        "features out of bounds": ("feature", 10**6),
        "features below zero": ("feature", -5),
    }
    for title, (field, value) in cases.items():

        def make(bench: Bench, field: str = field, value: object = value) -> None:
            pipeline = bench.load("forest")
            tree = pipeline["model"].estimators_[0].tree_
            state = tree.__getstate__()
            state["nodes"][field][0] = value
            tree.__setstate__(state)
            bench.dump(pipeline)

        make.__name__ = f"a_tree_with_{title}"
        hostile(LINKS)(make)


_enter_trees()


def _change_tree(bench: Bench, change: object) -> None:
    """Write a forest whose first tree has another node in the schema."""
    schema, members = bench.open("forest")
    model = schema["content"]["content"]["steps"]["content"][3]["content"][1]
    first = model["content"]["content"]["estimators_"]["content"][0]
    change(first["content"]["content"]["tree_"], members)  # type: ignore[operator]
    bench.write(schema, members)


@hostile("it holds a tree that belongs to no estimator")
def a_tree_that_is_asked_directly(bench: Bench) -> None:
    """scikit-learn asks it for predictions on rows of any width."""
    pipeline = bench.load("forest")
    forest = pipeline["model"]
    boosted = AdaBoostClassifier(n_estimators=1)
    boosted.estimators_ = [forest.estimators_[0].tree_]
    boosted.estimator_weights_, boosted.estimator_errors_ = np.ones(1), np.zeros(1)
    boosted.classes_, boosted.n_classes_ = forest.classes_, 2
    pipeline.steps[3] = ("model", boosted)
    bench.dump(pipeline)


@hostile("it holds a ObjectNode where a JsonNode belongs")
def a_forest_whose_trees_are_a_set(bench: Bench) -> None:
    pipeline = bench.load("forest")
    pipeline["model"].estimators_ = set(pipeline["model"].estimators_)
    bench.dump(pipeline)


@hostile("it holds a malformed decision tree")
def a_tree_with_fewer_nodes_than_there_are(bench: Bench) -> None:
    def change(tree: dict, members: dict) -> None:
        tree["content"]["content"]["node_count"]["content"] = "1"

    _change_tree(bench, change)


@hostile("it holds a malformed decision tree")
def a_tree_of_many_outputs(bench: Bench) -> None:
    def change(tree: dict, members: dict) -> None:
        tree["__reduce__"]["args"]["content"][2]["content"] = "1000000000"

    _change_tree(bench, change)


@hostile("it holds a malformed decision tree")
def a_tree_of_no_features(bench: Bench) -> None:
    def change(tree: dict, members: dict) -> None:
        tree["__reduce__"]["args"]["content"][0]["content"] = "-1"

    _change_tree(bench, change)


@hostile("it is not a sound skops file")
def a_tree_of_too_few_class_counts(bench: Bench) -> None:
    def change(tree: dict, members: dict) -> None:
        members["7.npy"] = npy_of(np.zeros((1, 1), np.int64))
        tree["__reduce__"]["args"]["content"][1]["file"] = "7.npy"

    _change_tree(bench, change)


@hostile("it holds a malformed decision tree")
def a_tree_whose_values_do_not_fit(bench: Bench) -> None:
    def change(tree: dict, members: dict) -> None:
        members["7.npy"] = npy_of(np.zeros((3, 1, 2)))
        tree["content"]["content"]["values"]["file"] = "7.npy"

    _change_tree(bench, change)


@hostile("does not match its header")
def a_tree_of_no_nodes(bench: Bench) -> None:
    def change(tree: dict, members: dict) -> None:
        state = tree["content"]["content"]
        dtype = bench.load("forest")["model"].estimators_[0].tree_.__getstate__()["nodes"].dtype
        members["7.npy"], members["8.npy"] = npy_of(np.zeros(0, dtype)), npy_of(np.zeros((0, 1, 2)))
        state["nodes"]["file"], state["values"]["file"] = "7.npy", "8.npy"
        state["node_count"]["content"] = "0"

    _change_tree(bench, change)


def _enter_missing_arrays() -> None:
    """Enter files whose trees have None where compiled code expects an array."""
    for name in ("nodes", "values"):

        def make(bench: Bench, name: str = name) -> None:
            def change(tree: dict, members: dict) -> None:
                tree["content"]["content"][name] = node_of(None)

            _change_tree(bench, change)

        make.__name__ = f"a_tree_without_its_{name}"
        hostile("not loaded")(make)


_enter_missing_arrays()


@hostile("not loaded")
def a_tree_without_class_counts(bench: Bench) -> None:
    def change(tree: dict, members: dict) -> None:
        counts = tree["__reduce__"]["args"]["content"][1]
        counts.update(node_of(None))

    _change_tree(bench, change)


@hostile("it holds a malformed decision tree")
def a_tree_of_another_number_of_classes(bench: Bench) -> None:
    def change(tree: dict, members: dict) -> None:
        members["7.npy"] = npy_of(np.array([2**61]))
        tree["__reduce__"]["args"]["content"][1]["file"] = "7.npy"

    _change_tree(bench, change)


@hostile("it holds a forest that does not fit its trees")
def a_forest_that_is_narrower_than_its_trees(bench: Bench) -> None:
    pipeline = bench.load("forest")
    pipeline["model"].n_features_in_ = 3
    bench.dump(pipeline)


@hostile("it holds a forest that does not fit its trees")
def a_forest_of_something_else(bench: Bench) -> None:
    pipeline = bench.load("forest")
    pipeline["model"].estimators_ = [bench.load()["model"]]
    bench.dump(pipeline)


@hostile("it does not take texts")
def a_forest_behind_narrow_features(bench: Bench) -> None:
    pipeline = bench.load("forest")
    vectorizer = pipeline["features"]
    vectorizer.vocabulary = vectorizer.vocabulary[:5]
    vectorizer._tfidf.idf_ = vectorizer._tfidf.idf_[:5]
    vectorizer._tfidf.n_features_in_ = 5
    bench.dump(pipeline)


@hostile("it holds n_jobs=100000")
def a_forest_of_many_threads(bench: Bench) -> None:
    pipeline = bench.load("forest")
    pipeline["model"].n_jobs = 100_000
    bench.dump(pipeline)


@hostile("it does not take texts")
def a_forest_that_is_not_fitted(bench: Bench) -> None:
    pipeline = bench.load("forest")
    pipeline.steps[3] = ("model", RandomForestClassifier())
    bench.dump(pipeline)
