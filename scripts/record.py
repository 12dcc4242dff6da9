"""Record a run that was kept: python scripts/record.py folder=outputs/train/..."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.record.command import main

if __name__ == "__main__":
    main()
