"""Exact reading of piecewise-linear networks: their creases, their planes, and what these mean."""
