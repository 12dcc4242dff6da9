"""Which of several models is better on the same test rows, and what may take a champion's place."""
