"""Explanation of one text."""
