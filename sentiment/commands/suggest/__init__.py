"""Texts to label next."""
