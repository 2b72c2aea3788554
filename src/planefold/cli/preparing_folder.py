"""From a folder and the flags of `planefold train` to what is trained and what it is judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planefold.cli.flags import read_parameters
from planefold.cli.folders import class_counts, described, read_files
from planefold.cli.options import command_line, say
from planefold.core.errors import DataError, listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from planefold.data.folders import Kind

# Flags of `planefold train` that act on folders; the others are for tables.
FOR_FOLDERS = frozenset((
    "data", "target", "output", "report_path", "no_report", "test_size", "group", "test", "size", "skip_broken",
    "activation", "batch_norm", "solver", "learning_rate_init", "learning_rate", "batch_size", "max_iter", "alpha",
    "dropout", "class_weight", "device", "seed", "as_json",
))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Job:
    """A model that is not trained yet, with the files to learn from and those to judge by.

    Parameters
    ----------
    model : ImageClassifier or SoundClassifier
    kind : Kind
    learn, test : Pictures or Sounds
        With labels.
    numbers : ndarray of int64, optional
        The place of each file in ``test`` among all of the folder, from 1; None for a folder of its own.
    groups : ndarray of shape (n_learn,), optional
    how : str
        How the files were split, in words.
    skipped : tuple of (str, str)
        Files that could not be read, each with the reason.
    notes : tuple of str
        What a person should know.
    """

    model: Any
    kind: Kind
    learn: Any
    test: Any
    numbers: NDArray[np.int64] | None
    groups: NDArray[Any] | None
    how: str
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


def prepare(data: Path, kind: Kind, options: Mapping[str, Any], *, as_json: bool) -> Job:
    """Make the model, read the files and split them; everything that can be wrong is said here."""
    from planefold.data.groups import groups_of

    model = _new_model(kind, options)
    how: dict[str, Any] = {"errors": "skip" if options["skip_broken"] else "raise"}
    how |= {"size": model.size} if kind.plural == "pictures" else {"rate": model.rate, "seconds": model.seconds}
    rows, told = _read(data, kind, how)
    if not as_json:
        say(f"{rows.source}: {described(rows, kind)}")
    _refuse_classes(rows, kind, options["skip_broken"])
    groups = groups_of(rows, options["group"])
    if options["test"] is None:
        return _enough(_split(model, kind, rows, groups, options, told))
    how |= (
        {"size": rows.shape[1:3], "color": "grey" if rows.shape[3] == 1 else "rgb"}
        if kind.plural == "pictures" else {"seconds": rows.seconds}
    )  # fmt: skip
    test, told_too = read_files(kind, options["test"], **how)
    if not as_json:
        say(f"{test.source}: {described(test, kind)}")
    _refuse_strangers(rows, test, kind)
    both = _on_both_sides(groups, groups_of(test, options["group"]))
    job = Job(
        model=model, kind=kind, learn=rows, test=test, numbers=None, groups=groups,
        how=f"all of {options['test']}", skipped=(*rows.skipped, *test.skipped), notes=(*told, *told_too, *both),
    )  # fmt: skip
    return _enough(job)


def _new_model(kind: Kind, options: Mapping[str, Any]) -> Any:
    """Make the model; what is wrong with its parameters is said before a file is read."""
    from planefold.engine.devices import find_device

    parameters = read_parameters({flag: value if flag in FOR_FOLDERS else None for flag, value in options.items()})
    if kind.plural == "pictures":
        from planefold.cli.prepare import read_size
        from planefold.data.images.sizes import check_size
        from planefold.estimators import ImageClassifier

        size = check_size(read_size(options["size"] or "auto"))
        model: Any = ImageClassifier(size=size, **parameters)
    else:
        from planefold.cli.prepare_sounds import read_size as read_size_of_sounds
        from planefold.estimators import SoundClassifier

        of_picture: Any = read_size_of_sounds(options["size"] or "original") or None
        model = SoundClassifier(size=of_picture, **parameters)
    model._check()
    model._new_spec((1, 64, 64), 1)  # the network has checks of its own, which do not depend on the files
    find_device(model.device)
    return model


def _read(data: Path, kind: Kind, how: Mapping[str, Any]) -> tuple[Any, list[str]]:
    try:
        return read_files(kind, data, **how)
    except DataError as error:
        parts = {path.name.casefold(): path for path in sorted(data.iterdir())} if data.is_dir() else {}
        if "parts of a data set" in error.what and {"train", "test"} <= set(parts):
            error.hint = command_line("train", parts["train"], "--test", parts["test"])
        raise


def _refuse_classes(rows: Any, kind: Kind, skip_broken: bool) -> None:
    """Refuse a folder that does not say what its files are, or says the same of all."""
    if rows.labels is None:
        raise DataError(
            f"{rows.source} does not say what its {kind.plural} are",
            details=f"the {kind.plural} lie in no folders, or beside them, such as {rows.files[0]}",
            hint="one folder for each class, with nothing beside them",
        )
    classes = class_counts(rows.labels)
    if len(classes) == 1:
        left = " that can be read" if skip_broken and rows.skipped else ""
        raise DataError(f"{rows.source} has one class only{left}: {next(iter(classes))}",
                        details=f"all {len(rows):,} {kind.plural} lie in this folder",
                        hint="one folder for each class, two at least; name the folder that holds them")  # fmt: skip


def _refuse_strangers(rows: Any, test: Any, kind: Kind) -> None:
    if test.labels is None:
        raise DataError(f"--test {test.source} does not say what its {kind.plural} are",
                        hint="one folder for each class, with the names that the other folder has")  # fmt: skip
    known, strange = class_counts(rows.labels), class_counts(test.labels)
    unknown = [name for name in strange if name not in known]
    if unknown:
        raise DataError(f"--test {test.source} has classes that {rows.source} has not: {listed(unknown)}",
                        details=f"known: {listed(known)}", hint="the folders must have the same names")  # fmt: skip


def _split(model: Any, kind: Kind, rows: Any, groups: Any, options: Mapping[str, Any], told: list[str]) -> Job:
    import numpy as np

    from planefold.data.splits import split_rows

    if groups is not None and len(np.unique(groups)) < 2:
        raise DataError(f"--group {options['group']} finds one group only: {groups[0]}",
                        details=f"in all {len(rows):,} names, such as {rows.files[0]}",
                        hint="a split needs at least two groups")  # fmt: skip
    learn, test = split_rows(
        len(rows), test_size=options["test_size"], random_state=options["seed"], groups=groups,
        y=rows.labels if groups is None else None,
    )  # fmt: skip
    seed = f"at random (seed {options['seed']})"
    how = f"{seed}, each class with its share"
    if groups is not None:
        n_groups = len(np.unique(groups))
        how = f"whole groups of --group {options['group']} ({n_groups:,} in all), {seed}"
    return Job(
        model=model, kind=kind, learn=rows[learn], test=rows[test], numbers=test + 1,
        groups=None if groups is None else groups[learn], how=how, skipped=rows.skipped, notes=tuple(told),
    )  # fmt: skip


def _on_both_sides(groups: Any, others: Any) -> list[str]:
    if groups is None:
        return []
    both = sorted(set(groups.tolist()) & set(others.tolist()))
    were = "group is" if len(both) == 1 else "groups are"
    told = f"{len(both):,} {were} in both folders ({listed(both, 5)}): the model is judged by what it may know already"
    return [told] if both else []


def _enough(job: Job) -> Job:
    """Leave out classes with one file to learn from, which cannot be held out as well; hold none out of very few."""
    import numpy as np

    counts = class_counts(job.learn.labels)
    single = [name for name, count in counts.items() if count == 1]
    if single:
        if len(counts) - len(single) < 2:
            raise DataError(
                f"too few classes have two {job.kind.plural} or more to learn from: {len(counts) - len(single)}",
                details=f"one each: {listed(single, 5)}", hint=f"get more {job.kind.plural} of each class",
            )  # fmt: skip
        kept = np.flatnonzero(~np.isin(job.learn.labels.astype(str), single))
        groups = None if job.groups is None else job.groups[kept]
        has = f"1 class has one {job.kind.singular}" if len(single) == 1 else (
            f"{len(single)} classes have one {job.kind.singular} each")  # fmt: skip
        told = f"{has} to learn from, which is too few, and will never be predicted: {listed(single)}."
        job = replace(job, learn=job.learn[kept], groups=groups, notes=(*job.notes, told))
    if len(class_counts(job.learn.labels)) < 2:
        raise DataError(f"one class only is left to learn from: {next(iter(class_counts(job.learn.labels)))}",
                        hint="another rule for --group, or another --seed")  # fmt: skip
    return _without_strangers(job) if job.numbers is not None else _held_out(job)


def _without_strangers(job: Job) -> Job:
    """Judge by files of the classes that are learned; the others are counted in a note."""
    import numpy as np

    is_known = np.isin(job.test.labels.astype(str), list(class_counts(job.learn.labels)))
    if is_known.all():
        return _held_out(job)
    n_strange = int((~is_known).sum())
    if not is_known.any():
        raise DataError("no class is there both to learn from and to judge by",
                        details=f"to judge by: {listed(class_counts(job.test.labels), 5)}",
                        hint="each class needs two groups at least; with more of them, another --seed")  # fmt: skip
    strange = listed(class_counts(job.test.labels[~is_known]), 5)
    told = (f"{n_strange:,} of the {len(job.test):,} {job.kind.plural} to judge by are of classes without any to learn "
            f"from, and are left out: {strange}.")  # fmt: skip
    assert job.numbers is not None
    kept = np.flatnonzero(is_known)
    return _held_out(replace(job, test=job.test[kept], numbers=job.numbers[kept], notes=(*job.notes, told)))


def _held_out(job: Job) -> Job:
    n = len(job.learn)
    of_one_group = job.groups is not None and len(set(job.groups.tolist())) < 2
    if math.ceil(job.model.validation_fraction * n) >= 2 and not of_one_group:
        return job
    job.model.set_params(early_stopping=False)
    few = "one group is" if of_one_group else f"{n:,} {job.kind.plural} are"
    return replace(job, notes=(*job.notes, f"{few} too few to hold some out: the last weights are kept, not the best."))
