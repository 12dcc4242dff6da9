"""Allow-lists for model files; they never come from a file."""

# Transformers of the cleaning steps and column encoders, each with its function; see `reading`.
FUNCTION_TRANSFORMER = "sklearn.preprocessing._function_transformer.FunctionTransformer"
_FUNCTIONS = {
    "functools.partial", "html.unescape", "operator.attrgetter", "operator.itemgetter",
    "operator.methodcaller", "pandas.to_datetime", "pandas.to_numeric", "re.sub",
    "unicodedata.normalize",
}  # fmt: skip

# skops trusts every estimator of scikit-learn. The estimators below predict in a number of steps
# that is limited by the size of their arrays, with NumPy only, or with compiled code whose arrays
# are checked first. Not in the list are estimators whose compiled code trusts the file (libsvm,
# neighbors, gradient boosting), that iterate when they transform (NMF, LDA), that call a method
# named in the file (stacking, SelectFromModel), and all that work with files.
_ESTIMATORS = {
    "calibration": "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration",
    "compose._column_transformer": "ColumnTransformer",
    "decomposition._truncated_svd": "TruncatedSVD",
    "discriminant_analysis": "LinearDiscriminantAnalysis",
    "dummy": "DummyClassifier",
    "ensemble._bagging": "BaggingClassifier",
    "ensemble._forest": "ExtraTreesClassifier RandomForestClassifier",
    "ensemble._voting": "VotingClassifier",
    "ensemble._weight_boosting": "AdaBoostClassifier",
    "feature_extraction.text": (
        "CountVectorizer HashingVectorizer TfidfTransformer TfidfVectorizer"
    ),
    "feature_selection._variance_threshold": "VarianceThreshold",
    "impute._base": "MissingIndicator SimpleImputer",
    "isotonic": "IsotonicRegression",
    "linear_model._logistic": "LogisticRegression LogisticRegressionCV",
    "linear_model._perceptron": "Perceptron",
    "linear_model._ridge": "RidgeClassifier",
    "linear_model._stochastic_gradient": "SGDClassifier",
    "multiclass": "OneVsRestClassifier",
    "naive_bayes": "BernoulliNB ComplementNB GaussianNB MultinomialNB",
    "neural_network._multilayer_perceptron": "MLPClassifier",
    "neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "pipeline": "FeatureUnion Pipeline",
    "preprocessing._data": "Binarizer MaxAbsScaler MinMaxScaler Normalizer StandardScaler",
    "preprocessing._encoders": "OneHotEncoder",
    "preprocessing._label": "LabelBinarizer LabelEncoder",
    "svm._classes": "LinearSVC",
    "tree._classes": "DecisionTreeClassifier ExtraTreeClassifier",
}
_LOSSES = {
    "_loss._loss": "CyHalfBinomialLoss CyHalfSquaredError CyHuberLoss",
    "linear_model._sgd_fast": (
        "EpsilonInsensitive Hinge ModifiedHuber SquaredEpsilonInsensitive SquaredHinge"
    ),
}


def _list_names(modules: dict[str, str]) -> frozenset[str]:
    return frozenset(
        f"sklearn.{module}.{name}" for module, names in modules.items() for name in names.split()
    )


_NUMBERS = [f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (16, 32, 64)]
_SCALARS = frozenset(f"numpy.{name}" for name in (*_NUMBERS, "int8", "uint8", "bool", "str_"))

# Types by the loader of skops; see `reading`. A classifier that only predicts needs no function,
# method, bytes, sparse matrix or random generator.
LOADABLE = {
    "JsonNode": frozenset({"builtins.str"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "SetNode": frozenset({"builtins.set"}),
    "DictNode": frozenset({"builtins.dict", "sklearn.utils._bunch.Bunch"}),
    "TypeNode": _SCALARS | {f"builtins.{name}" for name in ("str", "int", "float", "bool")},
    "NdArrayNode": _SCALARS | {"numpy.ndarray"},
    "DTypeNode": frozenset({"numpy.dtype"}),
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState"}),
    "ObjectNode": _list_names(_ESTIMATORS),
    "LossNode": _list_names(_LOSSES),
    "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
}

# All types that a file from an untrusted source may contain.
LOADED_TYPES = sorted({FUNCTION_TRANSFORMER, *_FUNCTIONS}.union(*LOADABLE.values()))
