"""What the columns of a log are called: one table of words for everybody's names."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Words that say whose figure it is. Of several held-out parts the first is taken: a test set is looked at last.
TRAIN = ("train", "training", "trn", "tr", "learn", "fit")
HELD_OUT = (
    "val",
    "valid",
    "validation",
    "dev",
    "holdout",
    "heldout",
    "eval",
    "evaluation",
    "cv",
    "oob",
    "test",
    "testing",
)
# Words that say how it was counted, not what it is.
_FILLERS = frozenset(
    ("epoch", "ep", "avg", "average", "mean", "running", "metrics", "metric", "set", "data", "history")
)
_PER_STEP = frozenset(("step", "iter", "iteration", "batch", "minibatch"))
# Columns with one of these words are about something else.
_OTHER = frozenset(
    ("best", "std", "stderr", "min", "max", "time", "runtime", "seconds", "sec", "duration", "dur", "grad", "norm",
     "samples", "memory", "mem", "gpu", "per", "lr", "count", "scale", "date", "patience", "wait")
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A kind of figure. ``use``: how it becomes a loss or a score.

    ``"loss"``: lower is better; ``"log"``: its logarithm is a loss; ``"negative"``: minus it is a loss;
    ``"share"``: a score up to 1 or 100 %; ``"score"``: a score without a bound.
    """

    words: str
    use: str


# In order of preference where a log has several: the loss that was trained before other errors.
FIGURES = (
    Figure(words=r"neg (?!log likelihood).+", use="negative"),
    Figure(words=r"(?:total |overall )?loss(?:es)?(?: total| curve)?|losses", use="loss"),
    Figure(words=r"cost|objective|criterion|elbo loss|energy", use="loss"),
    Figure(words=r"(?:multi |binary |m)?(?:log ?loss|nll|neg log likelihood|negative log likelihood|error entropy)"
           r"|(?:categorical |sparse categorical |binary )?cross ?entropy|x ?ent|b?ce|deviance|poisson|gamma",
           use="loss"),
    Figure(words=r"mse|squared error|l2", use="loss"),
    Figure(words=r"rmse|root squared error", use="loss"),
    Figure(words=r"mae|absolute error|l1|huber|mape|smape|rmsle|quantile|pinball", use="loss"),
    Figure(words=r"kl|kld|kl divergence|bpc|bpb|bits per (?:char|character|byte|dim)", use="loss"),
    Figure(words=r"ppl|perplexity", use="log"),
    Figure(words=r"(?:m|multi )?(?:error|err)(?: rate)?(?: ?[15])?|misclassification|wer|cer|eer", use="loss"),
    Figure(words=r"(?:categorical |sparse categorical |binary |balanced |multiclass |top ?\d+ )*"
           r"(?:accuracy|acc)(?: ?\d+| score| top ?\d+)?|top ?\d+|prec ?[15]", use="share"),
    Figure(words=r"r2|r squared|r2 score|explained variance", use="share"),
    Figure(words=r"(?:roc |pr )?au(?:c|roc|prc)(?: score)?|(?:average precision|ap)(?: score)?", use="share"),
    Figure(words=r"(?:macro |micro |weighted )?f ?(?:1|beta|score)(?: score| macro| micro| weighted)?", use="share"),
    Figure(words=r"m?(?:dice|iou|jaccard)(?: score| coefficient| coef)?|m?ap ?50(?: 95)?(?: [bmp])?|map",
           use="share"),
    Figure(words=r"precision(?: [bmp])?|recall(?: [bmp])?|sensitivity|specificity|mcc|matthews.*|kappa", use="share"),
    Figure(words=r"pearson|spearman|corr|correlation|ndcg|hit rate|exact match|em", use="share"),
    Figure(words=r"bleu|sacrebleu|rouge ?\w*|meteor|chrf|psnr|ssim|score|reward|return", use="score"),
)  # fmt: skip
_PATTERNS = tuple(re.compile(figure.words) for figure in FIGURES)

EPOCH = re.compile(r"epochs?|ep|epoch (?:num|number|no|idx|index)|n epochs?")
STEP = re.compile(
    r"(?:global |train(?:ing)? |optimi[sz]er )?(?:steps?|iters?|iterations?|updates?)|n ?(?:iter|iterations|steps)"
    r"|round|num boost round|tree|trees|x|index|unnamed \d+|"
)
RATE = re.compile(r"(?:lr|learning rate)(?:[ _](?:adam|adamw|sgd|pg\d+|\d+|group\d+|init))*|pg0")
RUN = re.compile(r"run(?: ?(?:id|name|number))?|fold|seed|trial|experiment|exp|repeat|version|config|model(?: name)?")


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a column is taken for.

    Parameters
    ----------
    kind : {"figure", "part of a loss", "epoch", "step", "rate", "run", "unknown"}
    part : {"train", "val", ""}
        ``""`` where the name does not say whose figure it is.
    figure : Figure or None
    rank : tuple of int
        The lowest is preferred: kind of figure, per step or per epoch, which held-out part.
    number : int or None
        Which of several held-out sets: 1 for ``validation_1-logloss``.
    prefix, suffix : str
        Words before the figure's own (the ``"box"`` of ``box_loss``) and after (the ``"eta 0.1"`` of ``cost_eta_0.1``).
    """

    kind: str
    part: str = ""
    figure: Figure | None = None
    rank: tuple[int, ...] = ()
    number: int | None = None
    prefix: str = ""
    suffix: str = ""


UNKNOWN = Meaning(kind="unknown")


def words_of(name: str) -> list[str]:
    """Split a name into its words, in small letters.

    >>> words_of("train/box_loss"), words_of("valLoss"), words_of("acc@1 (%)"), words_of("cost_eta_0.025")
    (['train', 'box', 'loss'], ['val', 'loss'], ['acc', '1'], ['cost', 'eta', '0.025'])
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name).lower()
    return re.findall(r"[a-z]+[0-9]*|[0-9]+(?:\.[0-9]+)?|[^\W\d_]+", split.replace("'s ", " "))


def meaning_of(name: str) -> Meaning:
    """Find what a column is by its name.

    >>> meaning_of("val_loss").part, meaning_of("Test accuracy (%)").figure.use, meaning_of("epoch").kind
    ('val', 'share', 'epoch')
    """
    words = words_of(name)
    text = " ".join(words)
    for kind, pattern in (("epoch", EPOCH), ("step", STEP), ("rate", RATE), ("run", RUN)):
        if pattern.fullmatch(text):
            return Meaning(kind=kind)
    if _OTHER & set(words):
        return UNKNOWN
    part, held_out, number, words = _part(words)
    per_step = int(bool(_PER_STEP & set(words)))
    rest = [word for word in words if word not in _FILLERS and word not in _PER_STEP]
    found = _figure(rest)
    if found is None:
        return UNKNOWN
    place, i, j = found
    prefix, suffix = " ".join(rest[:i]), " ".join(rest[j:])
    if suffix and _place(suffix) is not None:  # "loss (mse)"
        suffix = ""
    is_part = bool(prefix) and not suffix and FIGURES[place].use == "loss"
    return Meaning(
        kind="part of a loss" if is_part else "figure",
        part=part,
        figure=FIGURES[place],
        rank=(place, int(bool(prefix)), per_step, held_out),
        number=number,
        prefix=prefix,
        suffix=suffix,
    )


def _part(words: list[str]) -> tuple[str, int, int | None, list[str]]:
    """Find whose figure it is, which of several, and the words that are left."""
    if words[:1] == ["metrics"]:  # of ultralytics
        return "val", 0, None, words[1:]
    for i, word in enumerate(words):
        if word in TRAIN:
            return "train", 0, None, [other for other in words if other not in TRAIN]
        if word in HELD_OUT:
            after = words[i + 1 : i + 2]
            if after and after[0].isdecimal() and len(words) > i + 2:
                return "val", HELD_OUT.index(word), int(after[0]), words[:i] + words[i + 2 :]
            return "val", HELD_OUT.index(word), None, words[:i] + words[i + 1 :]
    return "", 0, None, words


def _place(text: str) -> int | None:
    return next((place for place, pattern in enumerate(_PATTERNS) if pattern.fullmatch(text)), None)


def _figure(words: list[str]) -> tuple[int, int, int] | None:
    """Find the longest run of words that names a figure: its place in the table, and where the run is."""
    if (
        len(words) > 1 and words[-1] == "loss" and _place(" ".join(words)) is None
    ):  # "nll loss" is one, "box loss" a part of one
        place = _place(" ".join(words[:-1]))
        return (place, 0, len(words)) if place is not None and words[0] != "kl" else (1, len(words) - 1, len(words))
    for length in range(len(words), 0, -1):
        for i in range(len(words) - length + 1):
            place = _place(" ".join(words[i : i + length]))
            if place is not None:
                return place, i, i + length
    return None
