"""A minimal server of the usual kind: FastAPI around a scikit-learn pipeline.

PIPELINE=pipeline.joblib uvicorn --app-dir benchmarks plain_app:app
"""

import os

import joblib
from fastapi import FastAPI
from pydantic import BaseModel

pipeline = joblib.load(os.environ["PIPELINE"])
app = FastAPI()


class Review(BaseModel):
    """Body of a request."""

    text: str


@app.post("/predict")
def predict(review: Review) -> dict[str, object]:
    """Return the label of a review and its probability."""
    probabilities = pipeline.predict_proba([review.text])[0]
    best = probabilities.argmax()
    return {"prediction": pipeline.classes_[best], "probability": float(probabilities[best])}
