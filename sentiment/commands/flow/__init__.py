"""Train, compare, promote, predict and monitor as one flow; it alone imports prefect."""
