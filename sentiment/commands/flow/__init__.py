"""Train, compare, promote, predict and monitor as one flow; only this package imports Prefect."""
