"""`planefold inspect`: what a model file says about itself, without loading the model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from planefold.cli.options import json_option, print_json


@click.command()
@click.argument("model", type=Path)
@json_option
def inspect(model: Path, as_json: bool) -> None:
    """Show what is in the model file MODEL: task, columns, network, versions.

    Nothing in the file is run, and the weights are not loaded.
    """
    from planefold.saving import read_summary

    summary = read_summary(model)
    if as_json:
        print_json(summary)
        return
    write = sys.stdout.write
    for line in _lines(str(model), summary):
        write(line + "\n")


def _lines(path: str, summary: dict[str, Any]) -> Any:
    manifest, schema = summary["manifest"], summary["schema"]
    target, network = manifest.get("target", {}), manifest.get("network", {})
    yield f"{path}: {manifest.get('estimator')}, {summary['file_size']:,} bytes, made {manifest.get('created')}"
    yield f"  predicts   {target.get('name') or 'the target'}" + (
        f": one of {', '.join(map(str, target['classes'][:12]))}" if target.get("classes") else ""
    )
    sizes = "-".join(map(str, [network.get("n_features"), *network.get("hidden_layer_sizes", []), network.get("n_outputs")]))
    yield (
        f"  network    {sizes}, {network.get('activation')}, {network.get('n_members')} members, "
        f"{manifest.get('n_parameters', 0):,} parameters"
    )
    yield "  versions   " + ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items())
    columns = schema.get("columns", [])
    if columns:
        width = min(max(len(column["name"]) for column in columns), 40)
        yield f"  {len(columns)} columns:"
        for column in columns:
            yield f"    {column['name']:<{width}}  {_described(column)}"


def _described(column: dict[str, Any]) -> str:
    if column["kind"] == "drop":
        return f"not used: {column['why']}"
    if column["kind"] == "number":
        return f"number, {column['minimum']:g} to {column['maximum']:g}"
    if column["kind"] == "date":
        return f"date, {column['date_minimum'][:10]} to {column['date_maximum'][:10]}"
    shown = ", ".join(column["categories"][:6])
    more = ", ..." if len(column["categories"]) > 6 else ""
    return f"{column['kind']}: {shown}{more}"
