"""Predict a file with the best trained model: python scripts/predict.py input=reviews.csv."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.predict.command import main

if __name__ == "__main__":
    main()
