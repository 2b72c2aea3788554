"""`planefold train FOLDER`: from a folder of pictures or sounds to a trained, judged, saved and reported model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planefold.cli.flags import messages
from planefold.cli.folders import class_counts, errors_of_files, kind_of_folder
from planefold.cli.options import check_outputs, command_line, note, notes, print_json, say
from planefold.cli.preparing import check_test_size
from planefold.cli.preparing_folder import FOR_FOLDERS, Job, prepare
from planefold.core.errors import MissingFileError, ParameterError, PlanefoldError, did_you_mean, listed

if TYPE_CHECKING:
    from planefold.data.folders import Kind
    from planefold.doctor import Diagnosis
    from planefold.reports import Evaluation

ONLY_FOR_FOLDERS = ("test", "size", "skip_broken")
WHY = "the folders' names are the classes"


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
        job = prepare(data, kind, options, as_json=as_json)
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


def refuse_for_tables(context: click.Context, data: Path, target: str | None) -> None:
    """Refuse flags that act on folders only, where a table is learned from, and a folder that is not there."""
    if target in (None, "folder") and not data.suffix and not data.exists():
        there = sorted(path.name for path in data.parent.iterdir()) if data.parent.is_dir() else []
        near = did_you_mean(data.name, there)
        raise MissingFileError(f"there is no folder {data}",
                               hint=f"did you mean {data.with_name(near)}?" if near else None)  # fmt: skip
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
            "rows": {"train": len(job.learn), "test": len(job.test), "how": job.how},
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
