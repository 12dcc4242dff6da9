"""Train, compare, promote, predict and monitor: python scripts/flow.py input=reviews.csv."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.flow.command import main

if __name__ == "__main__":
    main()
