"""Start of a script: its checkout comes before whatever its environment has installed.

An environment of another checkout would otherwise run that one's code, and write into its `conf/`.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# An image has the scripts alone, and the package installed.
if (ROOT / "sentiment").is_dir() and str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from sentiment.cli.interrupts import end_at_interrupt  # noqa: E402

end_at_interrupt()
