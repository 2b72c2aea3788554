"""The section about pictures: which it got wrong, what the network looks at, how training pictures were varied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planefold.reports.markup import data, plain_table, section
from planefold.reports.numbers import counted, number, percent
from planefold.reports.svg import text

Plain = Mapping[str, Any]
_CHANGES = {
    "shift": "moved a little",
    "flip": "turned left to right",
    "zoom": "enlarged or reduced a little",
    "turn": "turned a little",
    "noise": "given noise",
    "time_shift": "moved in time",
    "mask": "robbed of a band of frequencies and a stretch of time",
}


def pictures_section(found: Plain | None) -> str:
    """Return the section, or nothing where the model is none of pictures.

    Parameters
    ----------
    found : mapping or None
        What :func:`planefold.reports.pictures_data.pictures_data` gives.
    """
    if found is None:
        return ""
    body = _wrong(found) + _right(found) + _plane(found) + _inside(found) + _varied(found) + _skipped(found)
    return section("pictures", f"The {found['noun']}s", body, lede=_lede(found))


def _lede(found: Plain) -> str:
    height, width = (data(side, str(side)) for side in found["size"])
    if found["noun"] == "sound":
        return f"As pictures of {height} bands × {width} steps, bright where it is loud, low tones at the bottom."
    return f"Pictures of {height} × {width} pixels, as the model sees them."


def _image(source: str, words: str) -> str:
    return f'<img src="{text(source, 10**7)}" alt="{text(words, 200)}">' if source else ""


def _album(entries: Sequence[Plain], *, is_class: bool, right: bool = False) -> str:
    items = []
    for one in entries:
        truth, said, chance = one["truth"], one["prediction"], one["probability"]
        is_number = isinstance(truth, float)
        shown_truth, shown_said = (number(truth), number(said)) if is_number else (str(truth), str(said))
        share = f" {data(chance, percent(chance))}" if chance is not None else ""
        # Nobody but a screen reader needs the truth of a right one twice.
        told = (
            f"<b>{text(shown_said, 40)}</b>{share}"
            if right and is_class
            else f"<b>{text(shown_said, 40)}</b>{share}<small>truly <b>{text(shown_truth, 40)}</b></small>"
        )
        words = f"{one['name']}: predicted {shown_said}, truly {shown_truth}"
        items.append(
            f"<li><figure>{_image(one.get('image', ''), words)}<figcaption>{told}"
            f'<small class="file" title="{text(one["name"], 300)}">{text(_short(one["name"]), 60)}</small></figcaption>'
            "</figure></li>"
        )
    return f'<ul class="album">{"".join(items)}</ul>'


def _short(name: str) -> str:
    """Keep the end of a path, which tells files apart."""
    return name if len(name) <= 18 else "…" + name[-17:]


def _wrong(found: Plain) -> str:
    is_class = found["n_wrong"] is not None
    if not found["wrong"]:
        return f'<h3>Its errors</h3><p class="none">It made no error on these {found["noun"]}s.</p>'
    n = len(found["wrong"])
    if not is_class:
        return f"<h3>Furthest off</h3>{_album(found['wrong'], is_class=False)}"
    what = (
        f"All {n} errors, the worst first"
        if n == found["n_wrong"]
        else f"The {n} worst of {data(found['n_wrong'], format(found['n_wrong'], ','))} errors"
    )
    if n == found["n_wrong"] == 1:
        what = "The only error"
    note = "What it said, with the probability that it gave; the worst are those where it gave the truth least."
    return f'<h3>{what}</h3><p class="note lead">{note}</p>{_album(found["wrong"], is_class=True)}'


def _right(found: Plain) -> str:
    if not found["right"]:
        return ""
    is_class = found["n_wrong"] is not None
    title = "Right ones, neither easy nor hard" if is_class else "Nearest to the truth"
    return f"<h3>{title}</h3>{_album(found['right'], is_class=is_class, right=True)}"


def _plane(found: Plain) -> str:
    plane = found.get("plane") or {}
    if not plane:
        return ""
    if "why_not" in plane:
        return f'<p class="none unread">{text(plane["why_not"], 400)}</p>'
    output, start = plane["output"], plane["intercept"]
    least = (
        " It lies on a crease, as every picture with even areas does: this is one of the planes that meet there, and "
        "all of them agree in the picture itself."
        if plane["on_crease"]
        else ""
    )
    formula = (
        f"{text(plane['name'], 120)} = {data(output, number(output))} = sum of weight × pixel "
        f"{'+' if start >= 0 else '−'} {data(start, number(abs(start)))}"
    )
    pictures = "".join(
        f"<li><figure>{_image(plane.get(key, ''), words)}<figcaption>{said}</figcaption></figure></li>"
        for key, words, said in (
            ("seen_image", "the picture", "The picture"),
            ("weight_image", "weights of its pixels", f"Weights, up to {number(plane['largest_weight'], 2)}"),
            ("part_image", "weight times pixel", f"Weight × pixel, up to {number(plane['largest_part'], 2)}"),
        )
    )
    return (
        f'<h3>One {found["noun"]}, read exactly</h3><p class="note lead">Between its creases the network is a plane. '
        f"Around this picture it is a linear model with one weight for each pixel: blue raises the output where it is "
        f"brighter, orange lowers it, stronger by the square root.{least}</p>"
        f'<ul class="album large">{pictures}</ul><p class="formula">{formula}</p>'
    )


def _inside(found: Plain) -> str:
    if not found.get("filter_images"):
        return ""
    height, width = found["filter_size"]
    shown = len(found["filter_images"])
    some = "" if shown == found["n_filters"] else f", of which {shown} are shown"
    scale = (
        "in their colours, grey is a weight of 0"
        if found["filters_in_colours"]
        else "blue counts for a unit where it is bright, orange against"
    )
    filters = "".join(
        f"<li>{_image(source, f'filter {place}')}</li>" for place, source in enumerate(found["filter_images"], start=1)
    )
    rows = []
    for block in found["blocks"]:
        (down, across), name = block["size"], block["name"]
        maps = "".join(
            f"<li>{_image(source, f'{name}, map {place}')}</li>"
            for place, source in enumerate(block["images"], start=1)
        )
        chosen = "all" if len(block["images"]) == block["n_maps"] else f"the {len(block['images'])} liveliest"
        rows.append(
            f'<div class="block"><h4>{text(name.capitalize())}<small>{block["n_maps"]} maps of '
            f'{down} × {across}, {chosen}</small></h4><ul class="album small">{maps}</ul></div>'
        )
    seen = f'<ul class="album small"><li>{_image(found["seen_image"], "the picture that went in")}</li></ul>'
    return (
        f"<h3>What the first layer looks for</h3>"
        f'<p class="note lead">{counted(found["n_filters"], "filter")} of {height} × {width} pixels{some}: {scale}.</p>'
        f'<ul class="album tiny">{filters}</ul>'
        f'<h3>What the blocks make of one {found["noun"]}</h3><div class="block"><h4>The {found["noun"]}</h4>{seen}'
        f"</div>{''.join(rows)}"
    )


def _varied(found: Plain) -> str:
    title = f"<h3>How training {found['noun']}s were varied</h3>"
    if not found["changes"]:
        return f'{title}<p class="none">They were not: each epoch saw the same {found["noun"]}s.</p>'
    how = [_CHANGES.get(name, name) for name in found["changes"]]
    said = how[0] if len(how) == 1 else f"{', '.join(how[:-1])} and {how[-1]}"
    first = f"<li><figure>{_image(found['changed_image'], 'as it is')}<figcaption>as it is</figcaption></figure></li>"
    others = "".join(
        f"<li>{_image(source, f'variant {place}')}</li>" for place, source in enumerate(found["change_images"], start=1)
    )
    return (
        f'{title}<p class="note lead">Each epoch they are, by chance, {text(said)}. One of them, and '
        f'{counted(len(found["change_images"]), "variant")}:</p><ul class="album small">{first}{others}</ul>'
    )


def _skipped(found: Plain) -> str:
    n = found["n_skipped"]
    if not n:
        return ""
    rows = [[f"<bdi>{text(name, 200)}</bdi>", text(why, 200)] for name, why in found["skipped"]]
    left = n - len(rows)
    more = f'<p class="cut">… and {counted(left, "more file")}.</p>' if left else ""
    table = plain_table("Files that could not be read", ("File", "Why"), rows)
    return f"<h3>{data(n, counted(n, 'file'))} could not be read</h3>{table}{more}"
