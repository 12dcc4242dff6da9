"""Train a text classifier: python scripts/train.py model=svm features.max_features=20000."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.train.command import main

if __name__ == "__main__":
    main()
