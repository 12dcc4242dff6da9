"""Choose which texts to label next: python scripts/suggest.py input=texts.csv n=50."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.suggest.command import main

if __name__ == "__main__":
    main()
