"""The checks of the data (DA...). Each is one function of a case: a finding, or None.

What they judge was measured by :func:`planefold.doctor.scan.scan`. Rows in messages are counted from 1.
"""

from planefold.doctor.data.columns import (
    check_constant_columns,
    check_dropped_columns,
    check_duplicate_columns,
    check_id_columns,
    check_missing_values,
    check_outliers,
    check_target_leak,
)
from planefold.doctor.data.labels import check_contradicting_labels, check_imbalance, check_label_noise
from planefold.doctor.data.rows import (
    check_blank_pictures,
    check_duplicated_rows,
    check_few_rows,
    check_few_rows_for_the_parameters,
)
from planefold.doctor.data.sides import (
    check_groups_in_names,
    check_inputs_shifted,
    check_labels_shifted,
    check_order_ignored,
    check_rows_on_both_sides,
)

__all__ = [
    "check_blank_pictures",
    "check_constant_columns",
    "check_contradicting_labels",
    "check_dropped_columns",
    "check_duplicate_columns",
    "check_duplicated_rows",
    "check_few_rows",
    "check_few_rows_for_the_parameters",
    "check_groups_in_names",
    "check_id_columns",
    "check_imbalance",
    "check_inputs_shifted",
    "check_label_noise",
    "check_labels_shifted",
    "check_missing_values",
    "check_order_ignored",
    "check_outliers",
    "check_rows_on_both_sides",
    "check_target_leak",
]
