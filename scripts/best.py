"""Show the best trial of a search or grid, and why it won: python scripts/best.py search=svm."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.best.command import main

if __name__ == "__main__":
    main()
