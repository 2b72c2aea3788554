from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from planefold.core.errors import FileError, ParameterError
from planefold.data import EXAMPLES, find_task, load_example, read_table, save_example


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_what_its_entry_says(name):
    table, target = load_example(name)
    assert target == EXAMPLES[name].target == table.names[-1]
    assert find_task(table[target])[0] == EXAMPLES[name].task
    assert all(column.isidentifier() for column in table.names)
    assert f"{table.n_rows:,}" in EXAMPLES[name].description


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_saved_example_is_read_back_equal(tmp_path, name):
    table, _ = load_example(name)
    (path,) = save_example(name, tmp_path)
    again = read_table(path)
    assert again.names == table.names
    for column in table.names:
        assert again[column].tolist() == table[column].tolist()
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.csv"]


def test_labels_are_those_of_sklearn():
    bunch = datasets.load_breast_cancer()
    table, target = load_example("breast_cancer")
    np.testing.assert_array_equal(table[target], bunch.target_names[bunch.target])


def test_an_unknown_example_is_refused():
    with pytest.raises(ParameterError, match="did you mean 'iris'"):
        load_example("irs")


def test_a_file_that_cannot_be_written_is_a_file_error(tmp_path):
    with pytest.raises(FileError):
        save_example("iris", tmp_path / "nowhere" / "iris.csv")
