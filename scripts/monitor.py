"""Compare predictions with training: python scripts/monitor.py current=reviews.predictions.csv."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.monitor.command import main

if __name__ == "__main__":
    main()
