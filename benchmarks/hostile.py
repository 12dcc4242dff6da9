"""Hostile model files: the number that is loaded, and the largest cost of refusing one.

As a script, it reads paths, loads each in a forked process, and prints a line with exit code, peak
memory in MB (from the kernel) and seconds. Each process has only imported what loading needs, so
its memory beyond that for a valid model is due to the file.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from processes import ROOT
from reviews import read_different_reviews
from timing import Figure, Plan

# The corpus is that of the tests.
sys.path.append(str(ROOT / "tests" / "helpers"))

_REFUSED, _LOADED = 0, 1
_TARGET_MB, _TARGET_SECONDS = 400, 20


def bench_hostile(plan: Plan) -> dict[str, Figure]:
    """Load every file of the corpus; memory is measured beyond that for a valid model."""
    import hostile_columns  # noqa: F401 - it adds its files to HOSTILE
    import hostile_files
    import hostile_parts  # noqa: F401
    import hostile_schemas  # noqa: F401

    @hostile_files.hostile("")
    def a_schema_of_as_many_keys_as_may_be(bench: hostile_files.Bench) -> None:
        # Too slow for a test, which traces memory.
        schema, members = bench.open()
        keys = {f"{number:07d}": number for number in range(1_400_000)}
        bench.write(schema | {"content": {"content": keys}}, members)

    models = hostile_files.make_models(read_different_reviews().groupby("label").head(200))
    sound = plan.folder / "sound.skops"
    sound.write_bytes(models["linear"])
    paths = {}
    for number, (kind, (make, _)) in enumerate(hostile_files.HOSTILE.items()):
        paths[kind] = plan.folder / f"{number}.skops"
        make(hostile_files.Bench(paths[kind], plan.folder / "canary", models))
    done = subprocess.run(
        [sys.executable, __file__],
        input="\n".join(map(str, [sound, *paths.values()])),
        capture_output=True,
        text=True,
        check=True,
    )
    base, *lines = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    codes, peaks, seconds = (
        dict(zip(paths, column, strict=True)) for column in zip(*lines, strict=True)
    )
    growths = {kind: peak - base[1] for kind, peak in peaks.items()}
    loaded = {kind: code for kind, code in codes.items() if code != _REFUSED}
    if (plan.folder / "canary").exists():
        loaded["code was run"] = 1.0
    what = f"of {len(paths)} hostile files loaded or fatal"
    return {
        "hostile_loaded": Figure(what, "files", len(loaded), 0, 0, target=0, more=loaded),
        "hostile_memory": _report("memory to refuse one, at most", "MB", growths, _TARGET_MB),
        "hostile_seconds": _report("time to refuse one, at most", "s", seconds, _TARGET_SECONDS),
    }


def _report(what: str, unit: str, values: dict[str, float], target: float) -> Figure:
    highest = sorted(values, key=values.__getitem__)[-5:]
    more = {kind: values[kind] for kind in highest}
    maximum = values[highest[-1]]
    return Figure(what, unit, maximum, min(values.values()), maximum, target=target, more=more)


def main() -> None:
    """Load the files whose paths are read from standard input."""
    from sentiment.errors import UntrustedModelError
    from sentiment.modeling.model_files import load_model

    for line in sys.stdin.read().splitlines():
        start = time.perf_counter()
        child = os.fork()
        if not child:
            code = _LOADED
            try:
                load_model(Path(line))
            except UntrustedModelError:
                code = _REFUSED
            finally:
                os._exit(code)
        _, status, usage = os.wait4(child, 0)
        seconds = time.perf_counter() - start
        print(os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024, seconds)


if __name__ == "__main__":
    main()
