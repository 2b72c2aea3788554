"""`planefold inspect`: what a model file says about itself, without loading the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from planefold.cli.options import json_option, print_json, print_line

WIDEST_NAME = 40
MAX_CATEGORIES = 6


@click.command(short_help="Show what is in a model file.")
@click.argument("model", type=Path)
@json_option
def inspect(model: Path, as_json: bool) -> None:
    """Show what is in the model file MODEL: what it predicts, network, versions, columns.

    Nothing in the file is run, and the weights are not loaded.
    """
    from planefold.saving import read_summary

    summary = read_summary(model)
    if as_json:
        print_json(summary)
        return
    for line in _all_lines(model, summary):
        print_line(line)


def _all_lines(model: Path, summary: dict[str, Any]) -> list[str]:
    try:
        return list(_lines(model, summary))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # JSON of the right syntax may still say anything.
        from planefold.core.errors import ModelFileError

        raise ModelFileError(f"{model} does not describe a model as planefold does",
                             details=f"{type(error).__name__}: {error}",
                             hint="--json shows what it says instead") from error  # fmt: skip


def _lines(model: Path, summary: dict[str, Any]) -> Iterator[str]:
    manifest, columns = summary["manifest"], summary["schema"].get("columns", [])
    target, network, versions = (manifest.get(key) or {} for key in ("target", "network", "versions"))
    made = str(manifest.get("created", "at an unknown time")).replace("T", " ").replace("+00:00", " UTC")
    yield f"{model}: {manifest.get('estimator', 'a model')}, {_size(summary['file_size'])}, made {made}"
    classes = target.get("classes") or []
    shown = ", ".join(map(str, classes[:12])) + (f", ... ({len(classes)} in all)" if len(classes) > 12 else "")
    usual = "the target" if network.get("kind") != "cnn" else "the class" if classes else "the number"
    yield f"  predicts  {target.get('name') or usual}" + (f": {shown}" if classes else ", a number")
    if network.get("kind") == "cnn":
        yield from _of_files(manifest, network)
    elif network:
        units = [network["n_features"], *network["hidden_layer_sizes"], network["n_outputs"]]
        members = network.get("n_members", 1)
        yield (
            f"  network   {'1 network' if members == 1 else f'{members} networks'} {'-'.join(map(str, units))}, "
            f"{network['activation']}, {manifest.get('n_parameters', 0):,} parameters"
        )
    if versions:
        ours_first = sorted(versions.items(), key=lambda pair: pair[0] != "planefold")
        yield "  made with " + ", ".join(f"{name} {version}" for name, version in ours_first)
    if columns:
        yield f"  columns   {len(columns)}"
        width = min(max(len(column["name"]) for column in columns), WIDEST_NAME)
        for column in columns:
            yield f"    {column['name']:<{width}}  {_described(column)}"


def _of_files(manifest: dict[str, Any], network: dict[str, Any]) -> Iterator[str]:
    """Describe the network of a model of pictures or sounds, and what it takes."""
    n_channels, height, width = network["input_shape"]
    takes = f"{'grey' if n_channels == 1 else 'colour'} pictures"
    if manifest.get("estimator") == "SoundClassifier":
        takes = "sounds, as pictures"
    yield f"  takes     {takes} of {height} x {width} (height x width)"
    channels = "-".join(map(str, network["channels"]))
    yield (
        f"  network   convolutions of {channels} channels, {network['activation']}, "
        f"{manifest.get('n_parameters', 0):,} parameters"
    )


def _size(n_bytes: int) -> str:
    if n_bytes < 1000:
        return f"{n_bytes} bytes"
    return f"{n_bytes / 1e3:,.0f} kB" if n_bytes < 1e6 else f"{n_bytes / 1e6:,.1f} MB"


def _described(column: dict[str, Any]) -> str:
    if column["kind"] == "drop":
        return f"not used: {column['why']}"
    if column["kind"] == "number":
        return f"number, {_number(column['minimum'])} to {_number(column['maximum'])}"
    if column["kind"] == "date":
        return f"date, {column['date_minimum'][:10]} to {column['date_maximum'][:10]}"
    n_categories = max(column.get("n_unique", 0), len(column["categories"]))
    shown = ", ".join(column["categories"][:MAX_CATEGORIES])
    return f"{column['kind']}: {shown}" + (f", ... ({n_categories} in all)" if n_categories > MAX_CATEGORIES else "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"
