"""`planefold train`: from a table, or a folder, to a trained, judged, saved and reported model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planefold.cli.flags import errors_in_flags, in_flags, messages
from planefold.cli.options import (
    check_outputs,
    command_line,
    json_option,
    note,
    notes,
    print_json,
    print_line,
    reading_options,
    say,
)
from planefold.cli.preparing import Job, prepare
from planefold.core.errors import PlanefoldError, listed
from planefold.engine.plan import SCHEDULES, SOLVERS

if TYPE_CHECKING:
    from planefold.doctor import Diagnosis, Finding
    from planefold.estimators.advice import Retrial
    from planefold.reports import Evaluation


# The option that begins each part of the help -> what the part is called.
PARTS = {
    "target": "What to predict, and where it goes",
    "test_size": "Rows and columns",
    "hidden": "The network",
    "loss": "The training",
    "class_weight": "Rare classes",
    "test": "Folders of pictures and sounds",
    "device": "Everything else",
}


class InParts(click.Command):
    """A command whose many options stand under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, part by part."""
        parts: dict[str, list[tuple[str, str]]] = {}
        heading = ""
        for parameter in self.get_params(ctx):
            heading = PARTS.get(parameter.name or "", heading)
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record is not None:
                parts.setdefault(heading, []).append(record)
        for heading, records in parts.items():
            with formatter.section(heading):
                formatter.write_dl(records)


@click.command(
    cls=InParts,
    short_help="Train a model on a table or a folder, judge it, save it.",
    context_settings={"show_default": True},
)
@click.argument("data", type=Path)
@click.option("--target", "-t", metavar="COLUMN", help="The column to predict; of a table it must be said.")
@click.option("--output", "-o", type=Path, metavar="FILE", help="Where the model goes; default: like DATA, with .fold.")
@click.option(
    "--report",
    "report_path",
    type=Path,
    metavar="FILE",
    help="Where the report goes; default: like the model, with .html.",
)
@click.option("--no-report", is_flag=True, help="Write no report.")
@click.option(
    "--task",
    type=click.Choice(["auto", "regression", "classification"]),
    default="auto",
    help="Predict a number, or a class.",
)
@click.option("--test-size", metavar="SHARE", type=float, default=0.2, help="Share of the rows kept to judge by.")
@click.option(
    "--group",
    metavar="COLUMN",
    help="Keep rows of one group (a patient, a house) on one side. Of a folder: an expression that finds the group "
    "in the name of a file.",
)
@click.option("--time", "time_", metavar="COLUMN", help="Judge by the latest rows in this column's order.")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="COLUMN=KIND",
    help="Read a column as number, category, boolean or date, whatever it looks like.",
)
@click.option("--drop", multiple=True, metavar="COLUMN", help="Leave a column out.")
@click.option("--missing", multiple=True, metavar="TEXT", help='A text that means "no value", besides the usual ones.')
@click.option("--hidden", metavar="SIZES", help="Units of each hidden layer, such as 64,64.")
@click.option("--activation", metavar="NAME", help="relu, leaky_relu, tanh, logistic or identity.")
@click.option("--batch-norm/--no-batch-norm", default=None, help="Standardise what hidden units receive, or do not.")
@click.option("--members", type=int, metavar="N", help="Networks that are trained side by side.")
@click.option(
    "--loss", metavar="NAME", help="Of a number: squared_error, mean_squared_error, absolute_error, huber or poisson."
)
@click.option("--solver", metavar="NAME", help=f"The optimiser: {', '.join(SOLVERS)}.")
@click.option("--learning-rate-init", type=float, metavar="RATE", help="The first learning rate.")
@click.option("--learning-rate", metavar="NAME", help=f"How the rate changes: {', '.join(SCHEDULES)}.")
@click.option("--batch-size", type=int, metavar="N", help="Rows of a step.")
@click.option("--max-iter", type=int, metavar="N", help="Most epochs.")
@click.option("--alpha", type=float, metavar="NUMBER", help="Strength of the penalty on large weights.")
@click.option("--l1-ratio", type=float, metavar="SHARE", help="Share of the penalty that is L1; the rest is L2.")
@click.option("--dropout", type=float, metavar="SHARE", help="Share of units that a training step leaves out.")
@click.option("--class-weight", type=click.Choice(["balanced"]), help="Give each class the same weight in total.")
@click.option("--resample", metavar="NAME", help="Make classes equally frequent: bootstrap, smote or adasyn.")
@click.option(
    "--threshold",
    metavar="NUMBER",
    help="Probability from which the second class is predicted; f1, balanced_accuracy or matthews_corrcoef tunes it.",
)
@click.option("--test", type=Path, metavar="FOLDER", help="Judge by the files of another folder.")
@click.option("--size", metavar="SIZE", help="HEIGHTxWIDTH, or the pixels of the longer side, that pictures "
              "are brought to; of sounds, HEIGHTxWIDTH of their pictures.")  # fmt: skip
@click.option("--skip-broken", is_flag=True, help="Leave files out that cannot be read, rather than stop.")
@click.option("--fix", is_flag=True, help="Train again as the doctor advises, and keep what is clearly better.")
@click.option("--device", default="auto", metavar="NAME", help="cpu, cuda, ...")
@click.option("--seed", type=int, default=0, metavar="N", help="The same number gives the same model.")
@reading_options
@json_option
@click.pass_context
def train(context: click.Context, /, data: Path, target: str | None, output: Path | None, report_path: Path | None,
          no_report: bool, as_json: bool, **options: Any) -> int:  # fmt: skip
    """Train a model on the table in the CSV file DATA, or on the pictures or sounds in the folder DATA.

    Of a table nothing but the target has to be said: what each column is, the task, the split and the network's size
    are found, and told. A folder needs one folder for each class. Ctrl-C ends the training early and keeps the best
    weights so far.
    """
    from planefold.cli.train_folder import refuse_for_tables, train_folder
    from planefold.data import read_table

    if data.is_dir():
        return train_folder(context, data, output=output, report_path=report_path, no_report=no_report,
                            as_json=as_json, options=options | {"target": target})  # fmt: skip
    refuse_for_tables(context, data, target)
    if target is None:
        raise _no_target(context, data, options)
    table = read_table(data, delimiter=options["delimiter"], encoding=options["encoding"],
                       missing_values=options["missing"])  # fmt: skip
    output = output or data.with_suffix(".fold")
    report_path = None if no_report else report_path or output.with_suffix(".html")
    check_outputs({"the model": output, "the report": report_path}, {"the data": data})
    if not as_json:
        say(f"{table.source}: {table.n_rows:,} rows, {len(table.names)} columns")
    with errors_in_flags():
        job = prepare(table, target, options)
        if not as_json:
            _tell_plan(job)
        warned = _fit(job, target)
    for message in warned:
        note(message)
    told = [*job.notes, *job.model.encoder_.schema_.notes()]
    if not as_json:
        notes(told)
        say(_described(job.model))
    retrial = None
    if options["fix"]:
        job, retrial = _fix(job, target, as_json=as_json)
    job.model.save(output)
    judged = _judge(job, data, target, output, report_path, context.find_root().obj, retrial)
    result = _result(job, output, report_path, judged, retrial, notes=told, warned=warned)
    if as_json:
        print_json(result)
    else:
        print_result(output, report_path, judged, retrial)
    return 130 if job.model.run_.stopped_because == "interrupted" else 0


def _no_target(context: click.Context, data: Path, options: dict[str, Any]) -> click.UsageError:
    """Ask for the target, and say which columns there are to choose from."""
    from planefold.data import read_table

    try:
        names = read_table(data, delimiter=options["delimiter"], encoding=options["encoding"]).names
    except PlanefoldError:  # one thing after the other
        names = ()
    columns = f"\n  {len(names)} columns: {listed(names)}" if names else ""
    example = command_line("train", data, "--target", names[-1]) if names else "--target COLUMN"
    return click.UsageError(f"which column is to be predicted?{columns}\n  hint: say it, as in {example}", context)


def _fit(job: Job, target: str) -> list[str]:
    """Train the model; return what it warned of, once each."""
    groups = None if job.groups is None else job.groups[job.learn]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            job.model.fit(*job.part(job.learn), groups=groups)
        except KeyboardInterrupt:  # in the loop it ends the training; this was before
            raise KeyboardInterrupt("the training had not begun, no model was saved") from None
        except PlanefoldError as error:
            if job.X.source not in str(error):
                error.add_note(f"while training on {job.X.source}")
            raise
    job.model.target_name_ = target
    return messages(caught)


def _fix(job: Job, target: str, *, as_json: bool) -> tuple[Job, Retrial | None]:
    """Train again as the doctor advises, and return the job with the better model, and both side by side."""
    from planefold.estimators.advice import advice_in

    X, y = job.part(job.learn)
    groups = None if job.groups is None else job.groups[job.learn]
    found = job.model.diagnose(X, y, groups=groups).at_least("warning")
    finding, action = advice_in(job.model, found)
    if finding is None or job.model.run_.stopped_because == "interrupted":
        if not as_json:
            say(f"not trained again: {_why_not(job, found)}")
        return job, None
    if not as_json:
        say(in_flags(f"{finding.code} {finding.title}: trains again with {action}"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        retrial = job.model.retrain(finding, X, y, groups=groups)
    for message in messages(caught):
        note(message)
    retrial.model.target_name_ = target
    return (replace(job, model=retrial.model) if retrial.kept == "after" else job), retrial


def _why_not(job: Job, found: Sequence[Finding]) -> str:
    """Say why the doctor's advice is not tried."""
    if job.model.run_.stopped_because == "interrupted":
        return "somebody stopped it"
    if not found:
        return "the doctor finds nothing wrong"
    codes = listed([f"{finding.code} {finding.title}" for finding in found], limit=3)
    return f"no parameter does what is advised against {codes}"


def _judge(
    job: Job,
    data: Path,
    target: str,
    output: Path,
    report_path: Path | None,
    arguments: list[str] | None,
    retrial: Retrial | None,
) -> tuple[Evaluation, Diagnosis]:
    """Judge the saved model by the rows that were kept, ask the doctor, and write the report if it is wanted."""
    from planefold.estimators.reporting import diagnosed, judge, report

    learn, test, rows = job.part(job.learn), job.part(job.test), (job.test + 1).tolist()
    try:
        diagnosis = diagnosed(job.model, *test, learn, groups=None if job.groups is None else job.groups[job.learn])
        if report_path is None:
            return judge(job.model, *test, train=learn, rows=rows), diagnosis
        written = report(
            job.model, report_path, *test, train=learn, rows=rows, title=f"{target} from {data.name}",
            how_split=job.how, reproduce=_reproduce(data, target, output, arguments), model_path=output,
            diagnosis=diagnosis, retrial=retrial,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the model is saved in {output}, it has not been judged") from None
    except PlanefoldError as error:
        error.add_note(f"the model is saved in {output}")
        raise
    assert written.evaluation is not None
    return written.evaluation, diagnosis


def _reproduce(data: Path, target: str, output: Path, arguments: list[str] | None) -> dict[str, str]:
    new = data.with_name("new.csv")
    typed: list[Any] = arguments or ["train", data, "--target", target]
    return {
        "Command line": command_line(*typed),
        "Predict new rows": command_line("predict", output, new, "--output", data.with_name("predictions.csv")),
        "Python": f"import planefold as pf\n\nmodel = pf.load({str(output)!r})\nmodel.predict({str(new)!r})",
    }


# ------------------------------------------------------------------------------------------------------- the story


def _tell_plan(job: Job) -> None:
    say(f"{job.task}: {job.why}")
    say(f"{len(job.learn):,} rows to learn from, {len(job.test):,} to judge by: {job.how}")


def _described(model: Any) -> str:
    run, spec = model.run_, model.net_.spec
    sizes = "-".join(map(str, spec.layer_units))
    members = f"{spec.n_members} networks" if spec.n_members > 1 else "1 network"
    epochs = "1 epoch" if model.n_iter_ == 1 else f"{model.n_iter_} epochs"
    best = ""
    if run.best_epoch is not None:
        best = ", best as it started" if run.best_epoch == 0 else f", best after {run.best_epoch}"
    return f"{members} {sizes}, {spec.n_parameters:,} parameters: {epochs} in {run.seconds:.1f} s on {run.device}{best}"


def print_result(
    output: Path, report_path: Path | None, judged: tuple[Evaluation, Diagnosis], retrial: Retrial | None
) -> None:
    """Print the verdict, the findings, and where the files are."""
    evaluation, diagnosis = judged
    if retrial is not None:
        for line in str(retrial).splitlines():
            print_line(line)
        why = "its held-out loss is clearly lower" if retrial.kept == "after" else "the other is not clearly better"
        print_line(f"kept: the one {retrial.kept}, as {why}")
    print_line(evaluation.verdict)
    for finding in diagnosis.at_least("warning"):
        print_line(f"{finding.code} {finding.title}: {finding.what}")
        print_line(
            in_flags(f"  try: {'; or '.join(map(str, finding.advice)) or finding.try_}").replace("groups=", "--group")
        )
    print_line(f"model:  {output}")
    if report_path is not None:
        print_line(f"report: {report_path}")


def _result(
    job: Job,
    output: Path,
    report_path: Path | None,
    judged: tuple[Evaluation, Diagnosis],
    retrial: Retrial | None,
    *,
    notes: list[str],
    warned: list[str],
) -> Any:
    from planefold.reports.plain import plain

    run = job.model.run_
    evaluation, diagnosis = judged
    return plain(
        {
            "model": str(output),
            "report": None if report_path is None else str(report_path),
            "task": job.task,
            "why": job.why,
            "rows": {"train": len(job.learn), "test": len(job.test), "how": job.how},
            "notes": notes,
            "warnings": warned,
            "evaluation": evaluation,
            "diagnosis": diagnosis.to_dict(),
            "fix": None if retrial is None else _fixed(retrial),
            "run": {
                "epochs": run.n_epochs,
                "best_epoch": run.best_epoch,
                "seconds": run.seconds,
                "device": run.device,
                "stopped_because": run.stopped_because,
            },
        }
    )


def _fixed(retrial: Retrial) -> dict[str, Any]:
    return {
        "code": retrial.finding.code,
        "changed": {name: {"before": old, "after": new} for name, (old, new) in retrial.changed.items()},
        "outcome": retrial.outcome,
        "gain": retrial.gain,
        "se": retrial.se,
        "kept": retrial.kept,
    }
