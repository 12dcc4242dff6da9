"""Start of a script: import the package of its checkout, not one that is installed.

In an environment of another checkout, the script would otherwise run the code of that one, and
write into its `conf/`.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A container image has the scripts without the checkout; the package is installed.
if (ROOT / "sentiment").is_dir() and str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from sentiment.cli.interrupts import end_at_interrupt  # noqa: E402

end_at_interrupt()
