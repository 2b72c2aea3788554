"""`planefold train FOLDER`: from a folder of pictures or sounds to a trained, judged, saved and reported model."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planefold.cli.flags import messages, read_parameters
from planefold.cli.folders import class_counts, described, errors_of_files, kind_of_folder, read_files
from planefold.cli.options import check_outputs, command_line, note, notes, print_json, say
from planefold.cli.preparing import check_test_size
from planefold.core.errors import DataError, MissingFileError, ParameterError, PlanefoldError, listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from planefold.data.folders import Kind
    from planefold.doctor import Diagnosis
    from planefold.reports import Evaluation

# Flags of `planefold train` that act on folders; the others are for tables.
FOR_FOLDERS = frozenset((
    "data", "target", "output", "report_path", "no_report", "test_size", "group", "test", "size", "skip_broken",
    "activation", "batch_norm", "solver", "learning_rate_init", "learning_rate", "batch_size", "max_iter", "alpha",
    "dropout", "class_weight", "device", "seed", "as_json",
))  # fmt: skip
ONLY_FOR_FOLDERS = ("test", "size", "skip_broken")
WHY = "the folders' names are the classes"


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


def train_folder(context: click.Context, data: Path, *, output: Path | None, report_path: Path | None,
                 no_report: bool, as_json: bool, options: Mapping[str, Any]) -> int:  # fmt: skip
    """Do what `planefold train` does, for a folder."""
    from planefold.cli.train import print_result

    test: Path | None = options["test"]
    kind = kind_of_folder(data)
    _refuse(context, data, kind, options)
    output = output or _beside(data)
    report_path = None if no_report else report_path or output.with_suffix(".html")
    check_outputs({"the model": output, "the report": report_path}, {"the data": data, "the folder of --test": test})
    with errors_of_files(options["group"]):
        job = _prepare(data, kind, options, as_json=as_json)
        if not as_json:
            notes(job.notes)
            say(f"classification: {WHY}")
            say(f"{len(job.learn):,} {kind.plural} to learn from, {len(job.test):,} to judge by: {job.how}")
        warned = _fit(job)
    for message in warned:
        note(message)
    if not as_json:
        say(_described(job.model))
    job.model.save(output)
    judged = _judge(job, data, output, report_path, context.find_root().obj)
    if as_json:
        print_json(_result(job, output, report_path, judged, warned))
    else:
        print_result(output, report_path, judged, None)
    return 130 if job.model.run_.stopped_because == "interrupted" else 0


# --------------------------------------------------------------------------------------------- what goes together


def refuse_for_tables(context: click.Context, data: Path) -> None:
    """Refuse flags that act on folders only, where a table is learned from."""
    typed = _typed(context, set(ONLY_FOR_FOLDERS))
    if typed:
        raise ParameterError(f"{listed(typed)} {_acts(typed)} on folders of pictures and sounds, and {data} is none",
                             hint="leave it out" if len(typed) == 1 else "leave them out")  # fmt: skip


def _refuse(context: click.Context, data: Path, kind: Kind, options: Mapping[str, Any]) -> None:
    typed = _typed(context, {str(parameter.name) for parameter in context.command.params} - FOR_FOLDERS)
    if typed:
        raise ParameterError(f"{listed(typed)} {_acts(typed)} on tables, and {data} is a folder of {kind.plural}",
                             hint="leave it out" if len(typed) == 1 else "leave them out")  # fmt: skip
    if options["target"] not in (None, "folder"):
        raise ParameterError(
            f"--target {options['target']}: of a folder of {kind.plural} the folders' names are predicted",
            hint="leave it out, or --target folder",
        )
    test: Path | None = options["test"]
    if test is None:
        check_test_size(options["test_size"], f"keeps a fifth of the {kind.plural}")
        return
    if _typed(context, {"test_size"}):
        raise ParameterError("--test and --test-size cannot both decide what the model is judged by",
                             hint="leave one of them out")  # fmt: skip
    if not test.is_dir():
        what = "is a file" if test.exists() else "does not exist"
        raise MissingFileError(f"--test {test} {what}", hint=f"name a folder of {kind.plural}, one folder a class")
    if test.resolve().is_relative_to(data.resolve()):
        raise ParameterError(f"--test {test} lies in {data}: the model would be judged by what it has learned from",
                             hint="name a folder with other files")  # fmt: skip


def _typed(context: click.Context, names: set[str]) -> list[str]:
    """Return those flags of some that stand in the command line, as they are typed."""
    from click.core import ParameterSource

    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in names and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]


def _acts(flags: list[str]) -> str:
    return "acts" if len(flags) == 1 else "act"


def _beside(data: Path) -> Path:
    named = data if data.name not in ("", "..") else data.resolve()
    return named.with_name(f"{named.name or 'model'}.fold")


# ------------------------------------------------------------------------------------------------------ preparing


def _prepare(data: Path, kind: Kind, options: Mapping[str, Any], *, as_json: bool) -> Job:
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
                        hint="each class needs two groups at least")  # fmt: skip
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


# ------------------------------------------------------------------------------------------------ training, judging


def _fit(job: Job) -> list[str]:
    """Train the model; return what it warned of, once each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            job.model.fit(job.learn, job.learn.labels, groups=job.groups)
        except KeyboardInterrupt:  # in the loop it ends the training; this was before
            raise KeyboardInterrupt("the training had not begun, no model was saved") from None
    job.model.skipped_ = job.skipped
    return messages(caught)


def _judge(
    job: Job, data: Path, output: Path, report_path: Path | None, arguments: list[str] | None
) -> tuple[Evaluation, Diagnosis]:
    """Judge the saved model by the files that were kept, ask the doctor, and write the report if it is wanted."""
    from planefold.estimators.reporting import diagnosed, judge, report

    learn, test = (job.learn, job.learn.labels), (job.test, job.test.labels)
    rows = None if job.numbers is None else job.numbers.tolist()
    try:
        diagnosis = _possible(job.model, diagnosed(job.model, *test, learn, groups=job.groups))
        if report_path is None:
            return judge(job.model, *test, train=learn, rows=rows), diagnosis
        written = report(
            job.model, report_path, *test, train=learn, rows=rows, title=data.resolve().name or str(data),
            how_split=job.how, reproduce=_reproduce(data, output, arguments), model_path=output, diagnosis=diagnosis,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the model is saved in {output}, it has not been judged") from None
    except PlanefoldError as error:
        error.add_note(f"the model is saved in {output}")
        raise
    assert written.evaluation is not None
    return written.evaluation, diagnosis


def _possible(model: Any, diagnosis: Diagnosis) -> Diagnosis:
    """Leave out advice that only other models can follow."""
    own = set(model.get_params(deep=False))
    findings = [
        replace(finding, advice=tuple(action for action in finding.advice if set(action.parameters) <= own))
        for finding in diagnosis.findings
    ]
    return replace(diagnosis, findings=tuple(findings))


def _reproduce(data: Path, output: Path, arguments: list[str] | None) -> dict[str, str]:
    new = output.with_name("new")
    typed: list[Any] = arguments or ["train", data]
    return {
        "Command line": command_line(*typed),
        "Predict a folder": command_line("predict", output, new, "--output", output.with_name("predictions.csv")),
        "Python": f"import planefold as pf\n\nmodel = pf.load({str(output)!r})\nmodel.predict({str(new)!r})",
    }


def _described(model: Any) -> str:
    run, spec = model.run_, model.net_.spec
    channels = "-".join(map(str, spec.described["channels"]))
    epochs = "1 epoch" if model.n_iter_ == 1 else f"{model.n_iter_} epochs"
    best = ""
    if run.best_epoch is not None:
        best = ", best as it started" if run.best_epoch == 0 else f", best after {run.best_epoch}"
    return (
        f"convolutions of {channels} channels, {spec.n_parameters:,} parameters, on {model._inputs_in_words()}: "
        f"{epochs} in {run.seconds:.1f} s on {run.device}{best}"
    )


def _result(
    job: Job, output: Path, report_path: Path | None, judged: tuple[Evaluation, Diagnosis], warned: list[str]
) -> Any:
    from planefold.reports.plain import plain

    run = job.model.run_
    evaluation, diagnosis = judged
    return plain(
        {
            "model": str(output),
            "report": None if report_path is None else str(report_path),
            "task": "classification",
            "why": WHY,
            "kind": job.kind.plural,
            "size": list(job.model.size_),
            "classes": class_counts(job.learn.labels),
            "rows": {"train": len(job.learn), "test": len(job.test), "how": re.sub(r"\s+", " ", job.how)},
            "skipped": [{"file": name, "reason": reason} for name, reason in job.skipped],
            "notes": list(job.notes),
            "warnings": warned,
            "evaluation": evaluation,
            "diagnosis": diagnosis.to_dict(),
            "run": {
                "epochs": run.n_epochs,
                "best_epoch": run.best_epoch,
                "seconds": run.seconds,
                "device": run.device,
                "stopped_because": run.stopped_because,
            },
        }
    )
