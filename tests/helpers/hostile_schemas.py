"""Skops files whose schema names what a model has no use for; see `hostile_files`."""

import json
import operator
import os
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from hostile_files import (
    Bench,
    add_attribute,
    function_node,
    header_of,
    hostile,
    node_of,
    replace_array,
    state_of,
)
from sklearn.preprocessing import FunctionTransformer

# Functions: each is called by something if it gets that far.
FUNCTIONS = {
    "os.system": ("posix", "system"),
    "subprocess.Popen": ("subprocess", "Popen"),
    "eval": ("builtins", "eval"),
    "exec": ("builtins", "exec"),
    "getattr": ("builtins", "getattr"),
    "import": ("builtins", "__import__"),
    "open": ("builtins", "open"),
    "breakpoint": ("builtins", "breakpoint"),
    "import_module": ("importlib", "import_module"),
    "pickle.loads": ("_pickle", "loads"),
    "joblib.load": ("joblib.numpy_pickle", "load"),
    "runpy": ("runpy", "run_path"),
    "shutil": ("shutil", "rmtree"),
    "numpy.save": ("numpy", "save"),
    "numpy.load": ("numpy", "load"),
    "numpy.fromfile": ("numpy", "fromfile"),
    "numpy.memmap": ("numpy", "memmap"),
    "numpy.savetxt": ("numpy", "savetxt"),
    "pandas.read_pickle": ("pandas.io.pickle", "read_pickle"),
    "fetch_openml": ("sklearn.datasets._openml", "fetch_openml"),
    "load_files": ("sklearn.datasets._base", "load_files"),
    "re.sub": ("re", "sub"),
    "html.unescape": ("html", "unescape"),
    "a ufunc": ("numpy", "exp"),
}
LOADERS = ["FunctionNode", "TypeNode"]


def _enter_functions() -> None:
    for title, (module, name) in FUNCTIONS.items():
        for loader in LOADERS:

            def make(
                bench: Bench, module: str = module, name: str = name, loader: str = loader
            ) -> None:
                add_attribute(bench, function_node(module, name, loader))

            make.__name__ = f"the_function_{title}_as_{loader}"
            hostile(f"it holds {module}.{name}")(make)


_enter_functions()

# Objects of classes that have no place in a model.
CLASSES = {
    "joblib.Memory": ("joblib.memory", "Memory"),
    "types.FunctionType": ("builtins", "function"),
    "types.CodeType": ("builtins", "code"),
    "a socket": ("socket", "socket"),
    "a temporary folder": ("tempfile", "TemporaryDirectory"),
    "a count memory": ("sentiment.ngrams.memory", "CountMemory"),
    "a tracker": ("sentiment.tracking.store", "MlflowTracker"),
    "this project's vectorizer": ("sentiment.ngrams.vectorizers.tfidf", "TfidfVectorizer"),
    "this project's model": ("sentiment.modeling.estimators.nbsvm", "NBSVM"),
    "a support vector machine": ("sklearn.svm._classes", "SVC"),
    "neighbors": ("sklearn.neighbors._classification", "KNeighborsClassifier"),
    "gradient boosting": ("sklearn.ensemble._gb", "GradientBoostingClassifier"),
    "a topic model": ("sklearn.decomposition._lda", "LatentDirichletAllocation"),
    "stacking": ("sklearn.ensemble._stacking", "StackingClassifier"),
    "a grid search": ("sklearn.model_selection._search", "GridSearchCV"),
    "select from model": ("sklearn.feature_selection._from_model", "SelectFromModel"),
    "nowhere": ("nowhere.at.all", "Thing"),
}


def _enter_classes() -> None:
    for title, (module, name) in CLASSES.items():

        def make(bench: Bench, module: str = module, name: str = name) -> None:
            node = function_node(module, name, "ObjectNode") | {"content": node_of({})}
            add_attribute(bench, node)

        make.__name__ = f"an_object_of_{title}"
        hostile(f"it holds {module}.{name}")(make)


_enter_classes()


def call_node(bench: Bench, function: Any = os.system) -> dict[str, Any]:
    return node_of(partial(function, f"mkdir {bench.canary}"))


@hostile("it holds functools.partial")
def a_partial_of_a_system_call(bench: Bench) -> None:
    add_attribute(bench, call_node(bench))


@hostile("it holds functools.partial, posix.system, sklearn.preprocessing")
def a_transformer_that_calls_the_system(bench: Bench) -> None:
    schema, members = bench.open()
    state_of(schema, "text")["func"] = call_node(bench)
    bench.write(schema, members)


@hostile("it holds operator.attrgetter")
def a_getter_of_attributes(bench: Bench) -> None:
    add_attribute(bench, node_of(operator.attrgetter("__class__.__init__.__globals__")))


@hostile("it holds operator.methodcaller")
def a_caller_of_methods(bench: Bench) -> None:
    add_attribute(bench, node_of(operator.methodcaller("tofile", str(bench.canary))))


@hostile("it holds sklearn.preprocessing._function_transformer.FunctionTransformer, subprocess")
def an_operator_of_another_module(bench: Bench) -> None:
    schema, members = bench.open()
    state_of(schema, "text")["func"]["__module__"] = "subprocess"
    bench.write(schema, members)


@hostile("it holds builtins.dict")
def a_constructor_that_is_called(bench: Bench) -> None:
    node = function_node("builtins", "dict", "ConstructorFromReduceNode")
    add_attribute(bench, node | {"content": node_of(())})


@hostile("it holds numpy.ndarray")
def a_method_of_an_array(bench: Bench) -> None:
    node = function_node("numpy", "ndarray", "MethodNode")
    content = {"obj": node_of([]), "func": "tofile"}
    add_attribute(bench, node | {"content": content})


@hostile("it holds collections.defaultdict")
def a_dictionary_with_a_factory(bench: Bench) -> None:
    content = {"main": node_of({}), "default_factory": function_node("posix", "getcwd", "TypeNode")}
    node = function_node("collections", "defaultdict", "DefaultDictNode")
    add_attribute(bench, node | {"content": content})


@hostile("it holds posix.system")
def a_dictionary_whose_keys_are_called(bench: Bench) -> None:
    node = node_of({f"mkdir {bench.canary}": 1})
    node["key_types"]["content"] = [function_node("posix", "system", "TypeNode")]
    add_attribute(bench, node)


@hostile("it holds builtins.map")
def a_list_that_is_a_map(bench: Bench) -> None:
    add_attribute(bench, node_of([1]) | {"__class__": "map"})


@hostile("it holds builtins.bytes")
def bytes_(bench: Bench) -> None:
    add_attribute(bench, function_node("builtins", "bytes", "BytesNode") | {"file": "schema.json"})


@hostile("it holds scipy.sparse._csr.csr_matrix")
def a_sparse_matrix_with_indices_out_of_bounds(bench: Bench) -> None:
    matrix = sp.csr_matrix(np.eye(3))
    matrix.indices[0], matrix.indptr[1] = 10**9, -5
    pipeline = bench.load()
    pipeline["model"].coef_ = matrix
    bench.dump(pipeline)


@hostile("it holds numpy.random._generator.Generator")
def a_random_generator(bench: Bench) -> None:
    pipeline = bench.load()
    pipeline["model"].random_state = np.random.default_rng(0)
    bench.dump(pipeline)


@hostile("it holds quantile_forest")
def a_quantile_forest(bench: Bench) -> None:
    name = "quantile_forest._quantile_forest_fast"
    add_attribute(bench, function_node(name, "QuantileForest", "QuantileForestNode"))


# Functions that are trusted where they belong, and nowhere else.


def replace_cleaning(bench: Bench, step: int, transformer: FunctionTransformer) -> None:
    schema, members = bench.open()
    steps = state_of(schema, "clean")["steps"]["content"]
    steps[step]["content"][1] = node_of(transformer)
    bench.write(schema, members)


FOREIGN = "sklearn.preprocessing._function_transformer.FunctionTransformer"


def sub(pattern: str, replacement: str) -> Any:
    import re

    return partial(map, partial(re.sub, pattern, replacement))


@hostile(FOREIGN)
def cleaning_that_takes_for_ever(bench: Bench) -> None:
    replace_cleaning(bench, 0, FunctionTransformer(sub(r"(\w+\s?)+!", " ")))


@hostile(FOREIGN)
def cleaning_that_takes_all_memory(bench: Bench) -> None:
    replace_cleaning(bench, 0, FunctionTransformer(sub(r"", "x" * 10**7)))


@hostile(FOREIGN)
def cleaning_that_changes_words(bench: Bench) -> None:
    replace_cleaning(bench, 0, FunctionTransformer(sub(r"good", "bad")))


@hostile(FOREIGN)
def cleaning_with_further_arguments(bench: Bench) -> None:
    transformer = FunctionTransformer(list, kw_args={"key": 1})
    replace_cleaning(bench, 4, transformer)


@hostile(FOREIGN)
def another_column(bench: Bench) -> None:
    schema, members = bench.open()
    state_of(schema, "text")["func"]["attrs"]["content"][0]["content"] = '"password"'
    bench.write(schema, members)


@hostile("it does not clean texts as this project does")
def cleaning_in_another_order(bench: Bench) -> None:
    schema, members = bench.open()
    state_of(schema, "clean")["steps"]["content"].reverse()
    bench.write(schema, members)


@hostile("it does not clean texts as this project does")
def cleaning_without_an_end(bench: Bench) -> None:
    schema, members = bench.open()
    del state_of(schema, "clean")["steps"]["content"][-1]
    bench.write(schema, members)


# Schemas that skops does not write.


@hostile("it is not a sound skops file")
def a_schema_that_is_no_json(bench: Bench) -> None:
    bench.write(b"{'__class__': ", {})


@hostile("its schema.json is not an object")
def a_schema_that_is_a_list(bench: Bench) -> None:
    bench.write([1, 2], {})


@hostile("its schema.json holds NaN")
def a_schema_with_nan(bench: Bench) -> None:
    bench.write(b'{"protocol": NaN}', {})


@hostile("it is not a sound skops file")
def a_schema_of_no_characters(bench: Bench) -> None:
    bench.write(b"\xff\xfe\xfd{}", {})


@hostile("it is not a sound skops file")
def an_empty_schema(bench: Bench) -> None:
    bench.write({}, {})


@hostile("protocol 99")
def a_protocol_of_the_future(bench: Bench) -> None:
    schema, members = bench.open()
    bench.write(schema | {"protocol": 99}, members)


@hostile("it is of skops protocol True")
def a_protocol_that_is_not_a_number(bench: Bench) -> None:
    schema, members = bench.open()
    bench.write(schema | {"protocol": True}, members)


@hostile("it holds posix.system")
def a_function_of_the_first_protocol(bench: Bench) -> None:
    schema, members = bench.open()
    content = {"module_path": "posix", "function": "system"}
    state_of(schema, "model")["C"] = function_node("posix", "system") | {"content": content}
    bench.write(schema | {"protocol": 0}, members)


@hostile(FOREIGN)
def a_function_of_the_first_protocol_under_a_trusted_name(bench: Bench) -> None:
    schema, members = bench.open()
    content = {"module_path": "posix", "function": "system"}
    function = function_node("html", "unescape") | {"content": content}
    state_of(schema, "text")["func"] = function
    bench.write(schema | {"protocol": 0}, members)


@hostile("it holds sklearn.pipeline.Pipeline")
def a_part_that_was_there_before(bench: Bench) -> None:
    node = function_node("sklearn.pipeline", "Pipeline", "CachedNode")
    add_attribute(bench, node | {"__id__": bench.open()[0]["__id__"]})


@hostile("it is not a sound skops file")
def a_circle_by_ids(bench: Bench) -> None:
    schema, members = bench.open()
    steps = schema["content"]["content"]["steps"]["content"]
    steps[3]["content"][1] = {"__id__": schema["__id__"]}
    bench.write(schema, members)


@hostile("it is not a text classification pipeline")
def an_id_that_stands_for_another_part(bench: Bench) -> None:
    """The id of a function in the place of a parameter, which skops would construct."""
    schema, members = bench.open()
    identity = state_of(schema, "text")["func"]["__id__"]
    for name in ("tokenizer", "preprocessor"):
        state_of(schema, "features")[name]["__id__"] = identity
    state_of(schema, "model")["classes_"]["__id__"] = identity
    schema["content"]["content"]["steps"]["content"].pop()
    bench.write(schema, members)


@hostile("it is not a sound skops file")
def doubling_by_ids(bench: Bench) -> None:
    """Each list holds the next one twice, if ids are believed."""
    node = node_of([])
    for number in range(1, 50):
        node = node_of([]) | {"content": [node, {"__id__": number}], "__id__": number + 1}
    bench.write(node | {"protocol": 2}, {})


@hostile("it holds an invalid value")
def a_value_that_is_nested(bench: Bench) -> None:
    add_attribute(bench, node_of(1) | {"content": "[" * 10**5 + "]" * 10**5})


@hostile("it holds a ObjectNode where a JsonNode belongs")
def an_array_of_estimators(bench: Bench) -> None:
    schema, members = bench.open()
    model = schema["content"]["content"]["steps"]["content"][3]["content"][1]
    state = state_of(schema, "model")
    state["coef_"] = state["coef_"] | {
        "type": "json",
        "content": [json.loads(json.dumps(model))],
        "shape": node_of((1,)),
    }
    bench.write(schema, members)


@hostile("coef_ that is not an array of numbers or strings")
def an_array_whose_shape_is_not_a_tuple(bench: Bench) -> None:
    schema, members = bench.open()
    shape = {"type": "json", "content": [], "shape": node_of({})}
    state_of(schema, "model")["coef_"].update(shape)
    bench.write(schema, members)


@hostile("it holds a ListNode where a DictNode belongs")
def a_model_whose_state_is_a_list(bench: Bench) -> None:
    schema, members = bench.open()
    schema["content"]["content"]["steps"]["content"][3]["content"][1]["content"] = node_of([1])
    bench.write(schema, members)


@hostile("it was written by an unknown version of scikit-learn")
def a_version_that_writes_to_the_terminal(bench: Bench) -> None:
    add_attribute(bench, node_of("1.9\x1b]0;owned\x07"), name="_sklearn_version")


@hostile(r"it holds x.\x1b[2Jcleared")
def a_name_that_writes_to_the_terminal(bench: Bench) -> None:
    add_attribute(bench, function_node("x", "\x1b[2Jcleared", "ObjectNode"))


@hostile("it holds " + "x" * 150)
def a_name_that_is_long(bench: Bench) -> None:
    add_attribute(bench, function_node("x" * 10**6, "y", "ObjectNode"))


@hostile("it is not a sound skops file")
def names_that_are_not_strings(bench: Bench) -> None:
    add_attribute(bench, {"__module__": None, "__class__": [], "__loader__": {}})


# Files just within the limits of the archive, which are read whole before they are refused.


@hostile("it is not a sound skops file")
def a_schema_of_as_many_dictionaries_as_may_be(bench: Bench) -> None:
    schema, members = bench.open()
    schema["more"] = [{f"{number:x}": {}} for number in range(199_000)]
    bench.write(schema | {"content": schema["more"]}, members)


@hostile("it is not a sound skops file")
def a_schema_of_one_long_string(bench: Bench) -> None:
    schema, members = bench.open()
    bench.write(schema | {"content": "\\U0001f600" + "x" * (2**25 - 40_000)}, members)


@hostile("it does not take texts")
def weights_of_as_many_zeros_as_may_be(bench: Bench) -> None:
    packed = header_of("<f8", f"(1, {2**23 - 40_000})") + bytes(8 * (2**23 - 40_000))
    replace_array(bench, "coef_", packed)
