"""
From Python and notebooks
=========================

Train, compare, predict and explain without a command line. Each result shows itself in a notebook,
and nothing is printed.
"""

# sphinx_gallery_thumbnail_number = 1
import tempfile
from pathlib import Path

import pandas as pd
from sklearn.feature_extraction import text as sklearn_text

import sentiment

# %%
# All that is made here goes into a folder of its own. Leave the word out, and it is ``outputs``.

folder = Path(tempfile.mkdtemp())
outputs = f"outputs={folder}"

# %%
# Train
# -----
#
# Settings are the words of the command line. These train on 8,530 sentences from Rotten Tomatoes:

result = sentiment.train("data=rotten_tomatoes", "model=naive_bayes", outputs)
result

# %%
# A second model differs in one setting:

sentiment.train("data=rotten_tomatoes", "model=nbsvm", outputs)

# %%
# Compare
# -------
#
# All runs are a DataFrame, the newest first:

columns = ["name", "validation/accuracy", "test/accuracy", "validation/log_loss"]
sentiment.runs(outputs)[columns]

# %%
# Predict
# -------
#
# ``load`` takes the run with the best validation accuracy, a run id, a registered model such as
# ``models:/sentiment@champion`` or a model file:

model = sentiment.load("best", outputs)
model

# %%

texts = ["a warm, funny and moving film", "flat, dull and far too long"]
pd.DataFrame(model.predict_proba(texts), columns=model.classes_, index=texts)

# %%
# Explain
# -------
#
# The terms of one text add up to the log-odds of its label:

model.explain("a warm and funny film that is too long")

# %%
# Predict a file
# --------------
#
# A file of any size is read in batches. Rows that cannot be read are rejected with a reason:

(folder / "reviews.csv").write_text("id,text\n1,great fun\n2,a dreadful mess\n3,too,many,fields\n")
scored = sentiment.predict_file(folder / "reviews.csv", folder / "scored.csv", outputs)
pd.read_csv(scored.output)

# %%
# Use the vectorizers alone
# -------------------------
#
# They replace scikit-learn's in any pipeline, with the same columns and numbers:

ours = sentiment.TfidfVectorizer(ngram_range=(1, 2)).fit_transform(texts)
theirs = sklearn_text.TfidfVectorizer(ngram_range=(1, 2)).fit_transform(texts)
abs(ours - theirs).max()

# %%
# Plot
# ----
#
# Predictions are arrays and frames, so every plot of pandas and matplotlib works on them:

sentences = pd.Series([*texts, "a film", "not bad", "not good", "wonderful"])
shares = pd.Series(model.predict_proba(sentences)[:, 1], index=sentences)
axes = shares.plot.barh(xlabel=f"probability of {model.classes_[1]}", xlim=(0, 1))
axes.figure.tight_layout()
