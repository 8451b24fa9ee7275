"""Measurements of the performance goals: Ring against the raw engine, interleaved in one run."""
