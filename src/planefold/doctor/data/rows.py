"""The checks of the number of rows: copies, and too few."""

from __future__ import annotations

from collections.abc import Sequence

from planefold.core.records import counted
from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.data.words import counting, noun_of, percent, row_named, rows_named, scan_of, size_of
from planefold.doctor.finding import Action, Finding
from planefold.doctor.scan import Alike, Repeats, Scan

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

    Pictures and sounds count as well where they show what an earlier one shows, brighter, shifted or written anew (see
    DA402).

    **Fires on** red wines, of which 240 of 1,599 rows are copies. **Silent on** passengers of one class, age and fare.

    **Limits.** Columns that depend strongly on each other make chance look like copying.
    """
    scan = scan_of(case)
    repeats, alike = scan.repeats, scan.alike
    if alike is not None and alike.n_alike and repeats.share + alike.share >= COPIES:
        return _alike_rows(scan, repeats, alike)
    if not repeats.are_copies or repeats.n_surplus < 2 or repeats.share < COPIES:
        return None
    pairs = _pairs(scan, "=", repeats.examples[:3])
    return Finding(
        severity="warning" if repeats.share >= MANY_COPIES else "info",
        what=f"{counted(repeats.n_surplus, noun_of(scan))} ({percent(repeats.share)}) repeat an earlier one: {pairs}"
        f"{counting(scan)}",
        why="Copies count double in training, and a random split puts them on both sides.",
        advice=(
            Action(
                words="leave out the copies, or give sample_weight; if they are repeated measurements, split by groups="
            ),
        ),
        evidence={"repeats": repeats.n_surplus, "share": repeats.share, "copied": repeats.copied},
        confidence=confidence("DA403", repeats.copied / 0.7 * min(repeats.share / COPIES, 2.0)),
    )


def _alike_rows(scan: Scan, repeats: Repeats, alike: Alike) -> Finding | None:
    """Tell of pictures that show the same, those with equal pixels among them."""
    if repeats.n_surplus + alike.n_alike < 2:
        return None
    share = repeats.share + alike.share
    verb = "shows" if alike.n_alike == 1 else "show"
    what = (
        f"{counted(alike.n_alike, noun_of(scan))} ({percent(alike.share)}) {verb} what an earlier one shows: "
        f"{_pairs(scan, 'and', alike.pairs[:3])}"
    )
    if repeats.n_surplus:
        what += f"; {repeats.n_surplus} more equal an earlier one: {_pairs(scan, '=', repeats.examples[:3])}"
    return Finding(
        severity="warning" if share >= MANY_COPIES else "info",
        what=what + counting(scan),
        why="Copies count double in training, and a random split puts them on both sides.",
        advice=(Action(words="leave out the copies; if they are several of one thing, split by groups="),),
        evidence={"repeats": repeats.n_surplus, "alike": alike.n_alike, "share": share},
        confidence=confidence("DA403", min(share / COPIES, 2.0)),
    )


def _pairs(scan: Scan, sign: str, pairs: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{row_named(scan, again)} {sign} {row_named(scan, first)}" for again, first in pairs)


@check("DA205", "blank pictures", source="contrast against that of the middle picture")
def check_blank_pictures(case: Case) -> Finding | None:
    """Report pictures, or sounds, with nothing on them: one colour throughout, or silence.

    Notes
    -----
    **Rule.** The deviation of the pixels, in grey and at most 48 x 48 of them, is at most a hundredth of that of the
    middle picture. A warning from 1 % of them, else for information.

    **Fires on** frames of a camera whose cap was on; files that were written before there was anything to write.
    **Silent on** dark pictures.

    **Limits.** Where more than half are blank only those without any contrast are counted.
    """
    scan = scan_of(case)
    if scan.looks is None:
        raise NotApplicableError("the rows are no pictures and no sounds")
    n_blank = scan.looks.n_blank
    if not n_blank:
        return None
    share = n_blank / scan.n_train
    return Finding(
        severity="warning" if share >= COPIES else "info",
        what=f"{counted(n_blank, noun_of(scan))} ({percent(share)}) {'has' if n_blank == 1 else 'have'} nothing on "
        f"{'it' if n_blank == 1 else 'them'}: {rows_named(scan, scan.looks.blank[:3])}{counting(scan)}",
        why="Their labels can only be learned by heart, and all blank ones get the same prediction.",
        advice=(Action(words="look at them, and leave them out"),),
        evidence={"blank": n_blank, "share": share},
        confidence=0.995,
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
