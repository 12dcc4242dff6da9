"""Model files that a stranger might hand over, by the kind of attack.

Each function gets a `Bench` and writes one file. What is in a file is either made from nothing, or
a sound model that was tampered with: its objects, its schema, or the zip file around it.
"""

import gzip
import io
import json
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from sentiment.data.columns import decide_columns
from sentiment.modeling.estimators.voting import make_soft_vote
from sentiment.modeling.model_files import make_savable
from sentiment.modeling.pipeline import fit, join_columns, make_pipeline
from sentiment.ngrams.vectorizers import TfidfVectorizer

HUGE = 2**29
Node = dict[str, Any]


@dataclass
class Bench:
    """Parts that hostile files are made of.

    Attributes
    ----------
    path : Path
        Where it is written.
    canary : Path
        What is there only if code in the file was run.
    models : dict of str to bytes
        Sound models in plain scikit-learn, as skops writes them.
    """

    path: Path
    canary: Path
    models: dict[str, bytes]

    def load(self, model: str = "linear") -> Pipeline:
        """Return a sound model, to be spoilt."""
        data = self.models[model]
        return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))

    def dump(self, pipeline: Any) -> None:
        """Write a spoilt model without any check."""
        skops.io.dump(pipeline, self.path, compression=zipfile.ZIP_DEFLATED)

    def open(self, model: str = "linear") -> tuple[Node, dict[str, bytes]]:
        """Return the schema and the other members of a sound model."""
        with zipfile.ZipFile(io.BytesIO(self.models[model])) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        return json.loads(members.pop("schema.json")), members

    def write(self, schema: Any, members: dict[str, bytes], method: int = 8) -> None:
        """Write a file of a spoilt schema, or of anything in its place, and members."""
        text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
        with zipfile.ZipFile(self.path, "w", compression=method) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
            archive.writestr("schema.json", text)


MODELS = {
    "linear": LogisticRegression(),
    "columns": LogisticRegression(),
    "forest": RandomForestClassifier(3, random_state=0),
    "network": MLPClassifier((5,), tol=1.0, n_iter_no_change=1, random_state=0),
    "vote": make_soft_vote({"a": LogisticRegression(), "b": ComplementNB()}),
    "calibrated": CalibratedClassifierCV(LinearSVC(), cv=2, ensemble=False),
}


def make_models(frame: pd.DataFrame) -> dict[str, bytes]:
    """Return sound models in plain scikit-learn, fitted on texts, as skops writes them."""
    made = {}
    frame = frame.assign(
        price=frame["text"].str.len().astype("str"),
        product=frame["text"].str[:1],
        created="2026-01-02",
    )
    columns = decide_columns(frame, dict.fromkeys(["price", "product", "created"]))
    for name, model in MODELS.items():
        pipeline = make_pipeline(TfidfVectorizer(max_features=300), model)
        pipeline = fit(join_columns(pipeline, columns if name == "columns" else []), frame)
        made[name] = skops.io.dumps(make_savable(pipeline))
    return made


HOSTILE: dict[str, tuple[Callable[[Bench], None], str]] = {}


def hostile(reason: str) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    """Enter a maker of hostile files, with a part of the reason that loading gives."""

    def enter(make: Callable[[Bench], None]) -> Callable[[Bench], None]:
        HOSTILE[make.__name__.strip("_").replace("_", " ")] = make, reason
        return make

    return enter


class Payload:
    """Makes the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.canary),)


def state_of(schema: Node, *names: str) -> Node:
    """Return the attributes of the last step, or of the step called so, in a schema."""
    steps = schema["content"]["content"]["steps"]["content"]
    places = {"text": 0, "clean": 1, "features": 2, "model": 3}
    return steps[places[names[0]]]["content"][1]["content"]["content"]


def node_of(value: Any) -> Node:
    """Return what skops writes for `value`, which is not an array."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(value))) as archive:
        return json.loads(archive.read("schema.json"))


def add_attribute(bench: Bench, node: Node, step: str = "model", name: str = "extra_") -> None:
    """Write a sound model with one more attribute."""
    schema, members = bench.open()
    steps = schema["content"]["content"]["steps"]["content"]
    holder = steps[["text", "clean", "features", "model"].index(step)]["content"][1]["content"]
    if name not in holder["content"]:
        holder["key_types"]["content"].append(node_of([str])["content"][0])
    holder["content"][name] = node
    bench.write(schema, members)


def function_node(module: str, name: str, loader: str = "FunctionNode") -> Node:
    return {"__module__": module, "__class__": name, "__loader__": loader}


# Files that are not skops files.

NO_ZIP = "it is not a sound skops file (File is not a zip file)"


@hostile(NO_ZIP)
def a_pickle(bench: Bench) -> None:
    bench.path.write_bytes(pickle.dumps(Payload(bench.canary)))


@hostile(NO_ZIP)
def a_joblib_file(bench: Bench) -> None:
    joblib.dump(Payload(bench.canary), bench.path)


@hostile(NO_ZIP)
def a_compressed_joblib_file(bench: Bench) -> None:
    joblib.dump([Payload(bench.canary)], bench.path, compress=("zlib", 3))


@hostile(NO_ZIP)
def a_gzipped_pickle(bench: Bench) -> None:
    bench.path.write_bytes(gzip.compress(pickle.dumps(Payload(bench.canary))))


@hostile(NO_ZIP)
def a_numpy_file_of_objects(bench: Bench) -> None:
    with bench.path.open("wb") as file:
        np.save(file, np.array([Payload(bench.canary)], dtype=object), allow_pickle=True)


@hostile("its member 'model/data.pkl' does not belong to a model")
def a_file_of_torch(bench: Bench) -> None:
    members = {"model/data.pkl": pickle.dumps(Payload(bench.canary)), "model/version": b"3\n"}
    with zipfile.ZipFile(bench.path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@hostile("it is not a sound skops file")
def a_pickle_with_a_zip_behind(bench: Bench) -> None:
    bench.write({}, {})
    bench.path.write_bytes(pickle.dumps(Payload(bench.canary)) + bench.path.read_bytes())


@hostile(NO_ZIP)
def nothing(bench: Bench) -> None:
    bench.path.write_bytes(b"")


@hostile(NO_ZIP)
def random_bytes(bench: Bench) -> None:
    bench.path.write_bytes(np.random.default_rng(0).bytes(100_000))


@hostile(NO_ZIP)
def a_zip_that_is_cut_off(bench: Bench) -> None:
    bench.path.write_bytes(bench.models["linear"][:-40])


@hostile("it is not a sound skops file")
def a_zip_without_its_beginning(bench: Bench) -> None:
    bench.path.write_bytes(bench.models["linear"][5000:])


@hostile("it is not a sound skops file")
def a_zip_with_flipped_bits(bench: Bench) -> None:
    data = bytearray(bench.models["linear"])
    data[1000:1100] = bytes(byte ^ 0x55 for byte in data[1000:1100])
    bench.path.write_bytes(data)


# Zip files that are not as skops writes them.


@hostile("it is not a sound skops file ('schema.json')")
def no_schema(bench: Bench) -> None:
    with zipfile.ZipFile(bench.path, "w") as archive:
        archive.writestr("1.npy", npy_of(np.zeros(3)))


@hostile("does not belong to a model")
def a_member_outside_of_the_folder(bench: Bench) -> None:
    schema, members = bench.open()
    bench.write(schema, members | {f"../../{bench.canary.name}": b"x"})


@hostile("does not belong to a model")
def a_member_of_an_absolute_path(bench: Bench) -> None:
    schema, members = bench.open()
    bench.write(schema, members | {str(bench.canary): b"x"})


@hostile("does not belong to a model")
def a_member_that_is_a_link(bench: Bench) -> None:
    schema, members = bench.open()
    link = zipfile.ZipInfo("77.npy")
    link.external_attr = 0o120777 << 16
    bench.write(schema, members)
    with zipfile.ZipFile(bench.path, "a") as archive:
        archive.writestr(link, "/etc/passwd")


@hostile("it has two members of one name")
def two_schemas(bench: Bench) -> None:
    schema, members = bench.open()
    bench.write(schema, members)
    with zipfile.ZipFile(bench.path, "a") as archive:
        archive.filelist[-1].filename = "schema.jsom"  # so that zipfile does not warn
        del archive.NameToInfo["schema.json"]
        archive.writestr("schema.json", json.dumps(schema))
    data = bench.path.read_bytes()
    bench.path.write_bytes(data.replace(b"schema.jsom", b"schema.json"))


@hostile("does not belong to a model")
def members_that_are_encrypted(bench: Bench) -> None:
    schema, members = bench.open()
    bench.write(schema, members, method=0)
    patch_directory(bench.path, 8, "<H", 1)


@hostile("does not belong to a model")
def an_unknown_way_of_packing(bench: Bench) -> None:
    schema, members = bench.open()
    bench.write(schema, members, method=0)
    patch_directory(bench.path, 10, "<H", 99)


@hostile("does not belong to a model")
def members_packed_with_lzma(bench: Bench) -> None:
    schema, members = bench.open()
    bench.write(schema, members, method=zipfile.ZIP_LZMA)


@hostile("it has too many members")
def a_directory_of_a_million_members(bench: Bench) -> None:
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 9, 5, *[0] * 6) + b"1.npy"
    directory = entry * 1_000_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(directory), 0, 0)
    bench.path.write_bytes(directory + end)


@hostile("it is not a sound skops file")
def a_member_that_lies_behind_the_end(bench: Bench) -> None:
    bench.path.write_bytes(bench.models["linear"])
    patch_directory(bench.path, 42, "<L", 2**31)


@hostile("it has too many members")
def a_zip_of_64_bits(bench: Bench) -> None:
    data = bench.models["linear"]
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 2**62, 1)
    bench.path.write_bytes(data[:-22] + locator + data[-22:])


@hostile("is missing")
def arrays_that_are_missing(bench: Bench) -> None:
    schema, _ = bench.open()
    bench.write(schema, {})


# Files that take all memory, or all time.


@lru_cache
def zeros(size: int) -> bytes:
    """Return what deflate makes of `size` zeros, without ever having them."""
    packer, block = zlib.compressobj(1, zlib.DEFLATED, -15), bytes(2**24)
    packed = [packer.compress(block) for _ in range(size // len(block))]
    return b"".join([*packed, packer.flush()])


def write_packed(path: Path, name: str, packed: bytes, size: int) -> None:
    """Write a zip file of one member that is packed already."""
    fields = (20, 0, 8, 0, 0, 0, len(packed), size, len(name), 0)
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", *fields) + name.encode()
    central = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, *fields, 0, 0, 0, 0, 0)
    central += name.encode()
    place = len(local) + len(packed)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(central), place, 0)
    path.write_bytes(local + packed + central + end)


@hostile("its schema.json is too large")
def a_schema_of_gigabytes(bench: Bench) -> None:
    write_packed(bench.path, "schema.json", zeros(HUGE), HUGE)


@hostile("it is not a sound skops file")
def a_schema_that_is_larger_than_it_says(bench: Bench) -> None:
    write_packed(bench.path, "schema.json", zeros(HUGE), 1000)


@hostile("it takes too much memory when it is unpacked")
def an_array_of_gigabytes_of_zeros(bench: Bench) -> None:
    write_packed(bench.path, "1.npy", zeros(HUGE), HUGE)


@hostile("does not match its header")
def an_array_of_a_huge_shape(bench: Bench) -> None:
    replace_array(bench, "coef_", header_of("<f8", "(1, 1000000000000)") + bytes(80))


@hostile("does not match its header")
def an_array_without_elements_that_is_wide(bench: Bench) -> None:
    replace_array(bench, "coef_", header_of("<f8", "(1000000000000, 0)"))


@hostile("does not match its header")
def an_array_of_a_negative_shape(bench: Bench) -> None:
    replace_array(bench, "coef_", header_of("<f8", "(-1, -10)") + bytes(80))


@hostile("elements without size")
def an_array_of_elements_without_size(bench: Bench) -> None:
    replace_array(bench, "coef_", header_of("<U0", "(1000000000000,)"))


@hostile("it is not a sound skops file")
def an_array_whose_header_is_nested(bench: Bench) -> None:
    replace_array(bench, "coef_", header_of("<f8", "(" * 5000 + "1," + ")" * 5000))


@hostile("it is not a sound skops file")
def an_array_whose_header_is_broken(bench: Bench) -> None:
    replace_array(bench, "coef_", header_of("<f8", "(1, 300"))


@hostile("it is not a sound skops file")
def an_array_whose_header_is_a_call(bench: Bench) -> None:
    call = f"__import__('os').mkdir({str(bench.canary)!r})"
    replace_array(bench, "coef_", header_of("<f8", call))


@hostile("it is not a sound skops file")
def a_schema_that_is_deeply_nested(bench: Bench) -> None:
    bench.write(b"[" * 10**6 + b"]" * 10**6, {})


@hostile("its parts are nested too deeply")
def a_list_in_a_list_in_a_list(bench: Bench) -> None:
    schema = node_of(1)
    for _ in range(200):
        schema = node_of([]) | {"content": [schema], "__id__": 0}
    bench.write(schema | {"protocol": 2}, {})


@hostile("it is not a sound skops file")
def a_number_of_a_million_digits(bench: Bench) -> None:
    add_attribute(bench, node_of(1) | {"content": "9" * 10**6})


@hostile("it takes too much memory when it is unpacked")
def one_large_array_in_a_thousand_places(bench: Bench) -> None:
    """Copied for each place, it would take 30 times what the file takes when it is unpacked."""
    schema, members = bench.open()
    members["77.npy"] = npy_of(np.zeros(2**22))
    large = {**state_of(schema, "model")["coef_"], "file": "77.npy"}
    state_of(schema, "model")["classes_"] = node_of([]) | {"content": [large] * 1000}
    bench.write(schema, members)


# Headers and members of arrays.


def header_of(dtype: str, shape: str) -> bytes:
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def npy_of(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def replace_array(bench: Bench, name: str, data: bytes, step: str = "model") -> None:
    """Write a sound model with another array."""
    schema, members = bench.open()
    members[state_of(schema, step)[name]["file"]] = data
    bench.write(schema, members)


def patch_directory(path: Path, offset: int, form: str, value: int) -> None:
    """Change a field in every entry of the directory of a zip file."""
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    while place >= 0:
        struct.pack_into(form, data, place + offset, value)
        place = data.find(b"PK\x01\x02", place + 1)
    path.write_bytes(data)


@hostile("does not match its header")
def an_array_of_pickled_objects(bench: Bench) -> None:
    payload = np.array([[Payload(bench.canary)]], dtype=object)
    replace_array(bench, "coef_", npy_of(payload, allow_pickle=True))


@hostile("does not match its header")
def an_array_of_records_with_objects(bench: Bench) -> None:
    payload = np.array([(1, Payload(bench.canary))], dtype=[("a", "i4"), ("b", "O")])
    replace_array(bench, "coef_", npy_of(payload, allow_pickle=True))


@hostile("does not match its header")
def weights_that_are_complex(bench: Bench) -> None:
    replace_array(bench, "coef_", npy_of(np.ones((1, 300), complex)))


@hostile("does not match its header")
def weights_of_the_other_byte_order(bench: Bench) -> None:
    replace_array(bench, "coef_", npy_of(np.ones((1, 300), ">f8")))


@hostile("does not match its header")
def weights_that_are_dates(bench: Bench) -> None:
    replace_array(bench, "coef_", npy_of(np.zeros((1, 300), "M8[s]")))


@hostile("it is not a sound skops file")
def an_array_that_is_a_pickle(bench: Bench) -> None:
    replace_array(bench, "coef_", pickle.dumps(Payload(bench.canary)))


@hostile("it is not a sound skops file")
def an_array_that_is_a_zip(bench: Bench) -> None:
    file = io.BytesIO()
    np.savez(file, a=np.ones(3))
    replace_array(bench, "coef_", file.getvalue())


@hostile("its schema.json has too many parts")
def _a_schema_of_millions_of_lists(bench: Bench) -> None:
    with zipfile.ZipFile(bench.path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("schema.json", b"[" + b"[]," * 5_000_000 + b"0]")


@hostile("its schema.json has too many values")
def _a_schema_of_millions_of_numbers(bench: Bench) -> None:
    with zipfile.ZipFile(bench.path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("schema.json", b"[" + b"1111," * 5_000_000 + b"0]")
