"""Reading, cleaning, checking and splitting labelled texts."""
