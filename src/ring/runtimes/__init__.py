"""The seam to the engines: one Protocol, one folder for each engine behind it."""
