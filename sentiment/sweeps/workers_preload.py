import sentiment.sweeps.trial, sentiment.models, sklearn.linear_model, sentiment.features.vectorizers
import gc
gc.freeze()
