"""
From Python and notebooks
=========================

Train, compare, predict and explain in a notebook. Results have an HTML representation, and nothing
is printed.
"""

# sphinx_gallery_thumbnail_number = 1
import tempfile
from pathlib import Path

import pandas as pd
from sklearn.feature_extraction import text as sklearn_text

import sentiment

# %%
# This example writes to a temporary folder. The default folder is ``outputs``.

folder = Path(tempfile.mkdtemp())
outputs = f"outputs={folder}"

# %%
# Train
# -----
#
# Overrides are the same as on the command line. Train on 8,530 sentences from Rotten Tomatoes:

result = sentiment.train("data=rotten_tomatoes", "model=naive_bayes", outputs)
result

# %%
# Train a second model:

sentiment.train("data=rotten_tomatoes", "model=nbsvm", outputs)

# %%
# Compare
# -------
#
# ``runs`` returns a DataFrame of all runs, newest first:

columns = ["name", "validation/accuracy", "test/accuracy", "validation/log_loss"]
sentiment.runs(outputs)[columns]

# %%
# Predict
# -------
#
# ``load`` accepts ``best`` (the run with the best validation accuracy), a run id, a registered
# model such as ``models:/sentiment@champion``, or a model file:

model = sentiment.load("best", outputs)
model

# %%

texts = ["a warm, funny and moving film", "flat, dull and far too long"]
pd.DataFrame(model.predict_proba(texts), columns=model.classes_, index=texts)

# %%
# Explain
# -------
#
# The contributions of a text's terms add up to the log-odds of its label:

model.explain("a warm and funny film that is too long")

# %%
# Predict a file
# --------------
#
# Files are read in batches, so they may have any size. Rows that cannot be read are rejected, with
# a reason:

(folder / "reviews.csv").write_text("id,text\n1,great fun\n2,a dreadful mess\n3,too,many,fields\n")
scored = sentiment.predict_file(folder / "reviews.csv", folder / "scored.csv", outputs)
pd.read_csv(scored.output)

# %%
# Use the vectorizers alone
# -------------------------
#
# They are drop-in replacements for scikit-learn's, with the same columns and numbers:

ours = sentiment.TfidfVectorizer(ngram_range=(1, 2)).fit_transform(texts)
theirs = sklearn_text.TfidfVectorizer(ngram_range=(1, 2)).fit_transform(texts)
abs(ours - theirs).max()

# %%
# Plot
# ----
#
# Predictions are NumPy arrays, so you can plot them with pandas and matplotlib:

sentences = pd.Series([*texts, "a film", "not bad", "not good", "wonderful"])
shares = pd.Series(model.predict_proba(sentences)[:, 1], index=sentences)
axes = shares.plot.barh(xlabel=f"probability of {model.classes_[1]}", xlim=(0, 1))
axes.figure.tight_layout()
