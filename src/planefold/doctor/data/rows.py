"""The checks of the number of rows: copies, and too few."""

from __future__ import annotations

from planefold.core.records import counted
from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.data.words import counting, percent, scan_of, size_of
from planefold.doctor.finding import Action, Finding

ROWS_A_COLUMN = 5
PARAMETERS_A_ROW = 50
COPIES, MANY_COPIES = 0.01, 0.05  # shares of the rows


@check("DA403", "duplicated rows", source="equal rows against rows that are equal but for one cell")
def check_duplicated_rows(case: Case) -> Finding | None:
    """Report rows that are in the table several times, and not because its columns are coarse.

    Copies count double in training, and a random split puts them on both sides.

    Notes
    -----
    **Rule.** At least 1 % of the rows (and two) repeat an earlier one, target included, and the share of pairs that
    agree everywhere among those that agree everywhere but in one column cannot come from columns that agree by
    chance (0.7 of the way from chance to copies, on a scale of logarithms). A warning from 5 %.

    **Fires on** red wines, of which 240 of 1,599 rows are copies. **Silent on** passengers of one class, age and fare.

    **Limits.** Columns that depend strongly on each other make chance look like copying.
    """
    repeats = scan_of(case).repeats
    if not repeats.are_copies or repeats.n_surplus < 2 or repeats.share < COPIES:
        return None
    pairs = ", ".join(f"row {again + 1} = row {first + 1}" for again, first in repeats.examples[:3])
    return Finding(
        severity="warning" if repeats.share >= MANY_COPIES else "info",
        what=f"{counted(repeats.n_surplus, 'row')} ({percent(repeats.share)}) repeat an earlier one: {pairs} "
        f"({counting(scan_of(case))})",
        why="Copies count double in training, and a random split puts them on both sides.",
        advice=(
            Action(
                words="leave out the copies, or give sample_weight; if they are repeated measurements, split by groups="
            ),
        ),
        evidence={"repeats": repeats.n_surplus, "share": repeats.share, "copied": repeats.copied},
        confidence=confidence("DA403", repeats.copied / 0.7 * min(repeats.share / COPIES, 2.0)),
    )


@check("DA101", "few rows", source="five rows a column")
def check_few_rows(case: Case) -> Finding | None:
    """Report a table with hardly more rows than columns.

    Notes
    -----
    **Rule.** Fewer than five rows to learn from for each column that is used.

    **Fires on** 40 rows of 10 columns. **Silent on** 47 houses with three columns; on pictures, whose
    pixels are no columns.

    **Limits.** Many columns that say the same are fewer than they look.
    """
    n_train, n_columns = size_of(case)
    if n_train >= ROWS_A_COLUMN * n_columns:
        return None
    return Finding(
        severity="warning",
        what=f"{n_train} rows to learn from for {n_columns} columns",
        why="With so few rows, many columns fit the target by chance.",
        advice=(Action(words="leave out columns that cannot matter, or get more rows"),),
        evidence={"rows": n_train, "columns": n_columns},
        confidence=confidence("DA101", ROWS_A_COLUMN * n_columns / max(n_train, 1)),
    )


@check("DA102", "few rows for the parameters", source="weights and biases a row")
def check_few_rows_for_the_parameters(case: Case) -> Finding | None:
    """Tell that a network has far more weights than rows.

    That is no harm in itself: penalties, early stopping and the way the steps are taken keep such networks smooth. It
    says that the training loss means nothing and the held-out loss everything.

    Notes
    -----
    **Rule.** More than 50 weights and biases of one member for each row to learn from.

    **Fires on** two layers of 64 units and 40 rows. **Silent on** the same network and 500 rows.

    **Limits.** Counts rows, not what they say.

    References
    ----------
    Belkin, Hsu, Ma and Mandal, "Reconciling modern machine-learning practice and the bias-variance trade-off", 2019.
    """
    run = case.run
    if run is None or not run.n_train:
        raise NotApplicableError("the run is not known")
    ratio = run.n_parameters / run.n_members / run.n_train
    if ratio <= PARAMETERS_A_ROW:
        return None
    early = Action(words="keep the weights that are best on held-out rows", parameters={"early_stopping": True})
    advice = () if case.settings.get("early_stopping") else (early,)
    return Finding(
        severity="info",
        what=f"{ratio:.0f} weights for each of {run.n_train} rows to learn from",
        why="The network can learn every row by heart, so its loss on them says nothing.",
        advice=advice,
        evidence={"parameters_a_row": ratio, "rows": run.n_train},
        confidence=confidence("DA102", ratio / PARAMETERS_A_ROW),
    )
