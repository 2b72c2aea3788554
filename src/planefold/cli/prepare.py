"""`planefold prepare`: from folders of pictures and sounds to tables and arrays, for any program."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planefold.cli.options import check_outputs, command_line, json_option, print_json, print_line, say
from planefold.core.errors import did_you_mean

if TYPE_CHECKING:
    from planefold.data.images import Pictures

# Name of each command below -> module and function; imported when the command runs.
COMMANDS = {
    "images": ("planefold.cli.prepare", "images"),
    "sounds": ("planefold.cli.prepare_sounds", "sounds"),
}


class Preparations(click.Group):
    """A group that imports a command when it is needed."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All names."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        if name not in COMMANDS:
            return None
        module, function = COMMANDS[name]
        return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        """Find the command, or say which one was probably meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = did_you_mean(args[0], COMMANDS)
            is_there = Path(args[0]).exists()
            hint = command_line("prepare", near or "images", *([args[0]] if is_there else []))
            raise click.UsageError(
                f'planefold prepare has no command "{args[0]}"\n  commands: {", ".join(COMMANDS)}\n  hint: '
                + (f"did you mean {hint}?" if near or is_there else "planefold prepare --help says what each does"),
                context,
            )
        return super().resolve_command(context, args)


@click.group(cls=Preparations, short_help="Make tables of folders of pictures or sounds.")
def prepare() -> None:
    """Make tables and arrays of folders of pictures or sounds."""


@prepare.command(short_help="Make a table or an array of pictures.")
@click.argument("source", type=Path)
@click.option("--output", "-o", type=Path, required=True, metavar="FILE",
              help="Where they go: .parquet or .csv (a column for each pixel), .npz or .npy (an array).")  # fmt: skip
@click.option("--size", default="auto", metavar="SIZE",
              help="HEIGHTxWIDTH; the pixels of the longer side; original; or auto: the commonest size, at most 96 "
                   "pixels on the longer side.  [default: auto]")  # fmt: skip
@click.option("--color", type=click.Choice(["auto", "grey", "rgb"]), default="auto", show_default=True,
              help="auto is grey where no picture has colours.")  # fmt: skip
@click.option("--column", metavar="NAME", help="The column with the paths, where SOURCE is a table with several.")
@click.option("--skip-broken", is_flag=True, help="Leave files out that cannot be read, rather than stop.")
@json_option
def images(
    source: Path, output: Path, size: str, color: str, column: str | None, skip_broken: bool, as_json: bool
) -> None:
    """Bring the pictures of SOURCE to one size, and write them to one file.

    SOURCE is a folder with one folder for each class, a folder of pictures, or a table with a column of paths.
    A table has the columns label, file, pixel_0, pixel_1, ...: one row for each picture.
    """
    from planefold.data.images.reading import read_pictures
    from planefold.data.images.writing import write_pictures
    from planefold.data.outputs import outputs_of

    outputs = outputs_of(output)
    check_outputs({"the pictures": outputs[0], "the labels": outputs[1] if len(outputs) > 1 else None},
                  {"the source": source if source.is_file() else None})  # fmt: skip
    pictures = read_pictures(
        source, size=read_size(size), color=color, errors="skip" if skip_broken else "raise", column=column
    )
    written = write_pictures(pictures, output)
    if as_json:
        print_json(_summary(pictures, written))
        return
    for path in written:
        print_line(str(path))
    say(_told(pictures))


def read_size(text: str) -> Any:
    """Read --size as `read_pictures` takes it."""
    from planefold.core.errors import ParameterError, show

    if text in ("auto", "original"):
        return None if text == "original" else text
    parts = text.lower().replace("×", "x").replace(",", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise ParameterError(f"--size {show(text)} is no size",
                             hint="for example --size 48x64 (height x width), 64, or original")  # fmt: skip
    numbers = tuple(int(part) for part in parts)
    return numbers[0] if len(numbers) == 1 else numbers


def _classes(pictures: Pictures) -> dict[str, int] | None:
    if pictures.labels is None:
        return None
    found: dict[str, int] = {}
    for label in pictures.labels.tolist():
        found[str(label)] = found.get(str(label), 0) + 1
    return found


def _summary(pictures: Pictures, written: tuple[Path, ...]) -> dict[str, Any]:
    n, height, width, n_channels = pictures.shape
    return {
        "output": [str(path) for path in written],
        "pictures": n,
        "height": height,
        "width": width,
        "channels": n_channels,
        "classes": _classes(pictures),
        "skipped": [{"file": name, "reason": reason} for name, reason in pictures.skipped],
    }


def _told(pictures: Pictures) -> str:
    from planefold.core.errors import listed
    from planefold.core.records import counted

    n, height, width, n_channels = pictures.shape
    told = f"{counted(n, 'picture')}, {height} x {width} (height x width), {'grey' if n_channels == 1 else 'colours'}"
    classes = _classes(pictures)
    return told if classes is None else f"{told}: " + listed((f"{name} {n:,}" for name, n in classes.items()), 10)
