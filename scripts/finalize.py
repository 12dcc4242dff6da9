"""Fit a recorded run on all of its labels: python scripts/finalize.py run=<id>."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.finalize.command import main

if __name__ == "__main__":
    main()
