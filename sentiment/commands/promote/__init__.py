"""Promotion of a run to champion."""
