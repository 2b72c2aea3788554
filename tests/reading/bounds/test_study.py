"""Nodes against layers: the deck's figures, recomputed."""

from __future__ import annotations

import numpy as np
import pytest

from planefold.core.errors import ParameterError
from planefold.reading.architectures import random_net, study
from planefold.reading.segments.lines import function


@pytest.fixture(scope="module")
def deck():
    return study([(2, 3, 1), (2, 3, 1, 1)], seeds=range(200), window=((-1000, 1000), (-1000, 1000)))


def test_costs_and_bounds_of_the_deck():
    rows = study([(2, 12, 1), (2, 3, 4, 1), (2, 3, 1)], seeds=range(3)).rows()
    assert [row["multiplications"] for row in rows] == [36, 22, 9]
    assert [row["parameters"] for row in rows] == [49, 30, 13]
    assert [row["pieces at most"] for row in rows] == [79, 59, 7]
    assert [round(row["per multiplication"], 1) for row in rows] == [2.2, 2.7, 0.8]


def test_a_bottleneck_has_more_regions_than_pieces(deck):
    plain, deep = deck.counts
    assert deep.n_regions.mean() == pytest.approx(10.1, abs=0.4)
    assert deep.n_pieces.mean() == pytest.approx(6.0, abs=0.4)
    assert plain.n_pieces.mean() == pytest.approx(6.95, abs=0.1)  # another layer, and fewer pieces
    assert (deep.n_regions >= deep.n_pieces).all()
    assert deep.n_regions.max() <= deep.bounds.upper


def test_the_table_names_what_is_counted(deck):
    said = str(deck)
    assert "2-3-1-1" in said
    assert "200 random networks" in said
    assert "[-1000, 1000] x [-1000, 1000]" in said
    assert len({len(line) for line in said.splitlines()[1:]}) == 1


@pytest.mark.parametrize("init", ["uniform", "normal"])
def test_a_study_of_functions_is_repeatable(init):
    first, second = (study([(1, 8, 1), (1, 4, 4, 1)], window=[(-5, 5)], init=init) for _ in range(2))
    for one, other in zip(first.counts, second.counts, strict=True):
        assert (one.n_pieces == other.n_pieces).all()
        assert (one.n_pieces <= one.bounds.upper).all()
    single = function(random_net((1, 8, 1), 7, init=init), -5, 5)
    assert first.counts[0].n_pieces[7] == single.n_pieces


def test_creases_miss_the_origin():
    net = random_net((2, 6, 6, 1), 0, init="normal")
    assert (np.abs(net.sums_of_units(np.zeros((1, 2)))) > 1e-3).all()


def test_what_cannot_be_studied_is_refused():
    with pytest.raises(ParameterError, match="init='he'"):
        study([(1, 2, 1)], init="he")
    with pytest.raises(ParameterError, match="3 inputs"):
        study([(3, 2, 1)])
    with pytest.raises(ParameterError, match="nothing to study"):
        study([(1, 2, 1)], seeds=[])
