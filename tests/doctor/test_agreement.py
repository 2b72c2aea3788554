"""Advice of one diagnosis pulls one way: what was said first stands."""

from __future__ import annotations

import itertools

import pytest

from planefold.doctor import Action, Finding
from planefold.doctor.agreement import agreed, pulls

SETTINGS = {
    "learning_rate_init": 0.01, "max_iter": 100, "hidden_layer_sizes": [16, 16], "alpha": 0.001, "dropout": 0.2,
    "batch_size": 64, "class_weight": None,
}  # fmt: skip
UP = {"learning_rate_init": 0.1, "max_iter": 300, "hidden_layer_sizes": (64, 64), "alpha": 0.0, "dropout": 0.0}
DOWN = {"learning_rate_init": 0.001, "max_iter": 50, "hidden_layer_sizes": (4,), "alpha": 0.1, "dropout": [0.5, 0.5]}


def _finding(code, *parameters):
    advice = tuple(Action(words=str(given), parameters=given) for given in parameters)
    return Finding(severity="warning", what="", why="", advice=advice, code=code)


def _parameters(finding):
    return [action.parameters for action in finding.advice if action.parameters]


@pytest.mark.parametrize("name", UP)
def test_what_was_said_first_stands(name):
    first, second = _finding("A", {name: UP[name]}), _finding("B", {name: DOWN[name]}, {"batch_norm": True})
    kept = agreed([first, second], SETTINGS)
    assert kept[0] == first
    assert [action.parameters for action in kept[1].advice] == [{"batch_norm": True}]


def test_freedom_has_several_names():
    for (a, up), (b, down) in itertools.product(UP.items(), DOWN.items()):
        if {a, b} <= {"hidden_layer_sizes", "alpha", "dropout"}:
            kept = agreed([_finding("A", {a: up}), _finding("B", {b: down})], SETTINGS)
            assert _parameters(kept[1]) == []
            kept = agreed([_finding("A", {a: up}), _finding("B", {b: UP[b]})], SETTINGS)
            assert len(kept[1].advice) == 1


def test_two_values_of_one_switch_contradict_each_other():
    kept = agreed([_finding("A", {"class_weight": "balanced"}), _finding("B", {"class_weight": None})], SETTINGS)
    assert _parameters(kept[1]) == []
    assert kept[1].try_ == "what the findings before this one advise, first"
    kept = agreed([_finding("A", {"class_weight": "balanced"}), _finding("B", {"class_weight": "balanced"})], SETTINGS)
    assert len(kept[1].advice) == 1


def test_words_and_what_stays_as_it_is_pull_nowhere():
    assert pulls(Action(words="more rows"), SETTINGS) == {}
    assert pulls(Action(words="", parameters={"learning_rate_init": 0.01}), SETTINGS) == {}
    assert pulls(Action(words="", parameters={"learning_rate_init": 0.1}), {}) == {}


def test_the_alternatives_of_one_finding_are_left_as_they_are():
    one = _finding("A", {"class_weight": "balanced"}, {"class_weight": {0: 1, 1: 2}})
    assert agreed([one], SETTINGS) == [one]
