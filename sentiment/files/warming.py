"""The kernels of this room, compiled ahead."""

import numpy as np

from sentiment.files import kernels
from sentiment.files.delimited import Split


def compile_kernels() -> None:
    """Compile all that a prediction needs, so that the first one does not have to."""
    split = Split(b'text\n"a ""text"""\n', ord(","), 1, final=True, wanted=[0])
    split.gather(0)
    out, ends = np.empty(len(split.data), np.uint8), np.zeros(split.count + 1, np.int64)
    kernels.join_rows(split.data, split.bounds, np.empty(0, np.uint8), ends, out)
