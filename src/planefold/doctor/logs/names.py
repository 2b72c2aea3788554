"""What the columns of a log are called: one table of words for everybody's names."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Words that say whose figure it is. Of several held-out parts the first is taken: a test set is looked at last.
TRAIN = ("train", "training", "trn", "learn", "fit")
HELD_OUT = ("val", "valid", "validation", "dev", "holdout", "heldout", "eval", "evaluation", "test", "testing")
# Words that say how it was counted, not what it is.
_FILLERS = frozenset(("epoch", "ep", "avg", "average", "mean", "running", "metrics", "metric", "set", "data", "history"))
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
    Figure(words=r"neg (?:mean |root |median |max |log loss|log likelihood$).*", use="negative"),
    Figure(words=r"(?:total )?loss(?: total| curve)?", use="loss"),
    Figure(words=r"cost|objective|criterion|elbo loss|energy", use="loss"),
    Figure(words=r"(?:multi |binary |m)?(?:log ?loss|nll|neg log likelihood|negative log likelihood|error entropy)"
           r"|(?:categorical |sparse categorical |binary )?cross ?entropy|x ?ent|b?ce|deviance|poisson|gamma", use="loss"),
    Figure(words=r"mse|mean squared error|squared error|l2", use="loss"),
    Figure(words=r"rmse|root mean squared error", use="loss"),
    Figure(words=r"mae|mean absolute error|absolute error|l1|huber|mape|smape|rmsle|quantile|pinball", use="loss"),
    Figure(words=r"kl|kld|kl divergence|bpc|bpb|bits per (?:char|character|byte|dim)", use="loss"),
    Figure(words=r"ppl|perplexity", use="log"),
    Figure(words=r"(?:m|multi )?(?:error|err)(?: rate)?(?: ?[15])?|misclassification|wer|cer|eer", use="loss"),
    Figure(words=r"(?:categorical |sparse categorical |binary |balanced |multiclass |top ?\d+ )*"
           r"(?:accuracy|acc)(?: ?\d+| score| top ?\d+)?|top ?\d+|prec ?[15]", use="share"),
    Figure(words=r"r2|r squared|r2 score|explained variance", use="share"),
    Figure(words=r"(?:roc |pr )?au(?:c|roc|prc)(?: score)?|(?:average precision|ap)(?: score)?", use="share"),
    Figure(words=r"(?:macro |micro |weighted )?f ?(?:1|beta|score)(?: score| macro| micro| weighted)?", use="share"),
    Figure(words=r"(?:m|mean )?(?:dice|iou|jaccard)(?: score| coefficient| coef)?|m?ap ?50(?: 95)?(?: [bmp])?|map",
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
    figure : Figure or None
    rank : tuple of int
        The lowest is preferred: kind of figure, per step or per epoch, which held-out part.
    prefix, suffix : str
        Words before the figure's own (the ``"box"`` of ``box_loss``) and after (the ``"eta 0.1"`` of ``cost_eta_0.1``).
    """

    kind: str
    part: str = ""
    figure: Figure | None = None
    rank: tuple[int, ...] = ()
    prefix: str = ""
    suffix: str = ""


UNKNOWN = Meaning(kind="unknown")


def words_of(name: str) -> list[str]:
    """Split a name into its words, in small letters.

    >>> words_of("train/box_loss"), words_of("valLoss"), words_of("acc@1 (%)"), words_of("cost_eta_0.025")
    (['train', 'box', 'loss'], ['val', 'loss'], ['acc', '1'], ['cost', 'eta', '0.025'])
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[a-z]+[0-9]*|[0-9]+(?:\.[0-9]+)?|[^\W\d_]+", split.lower())


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
    part, held_out, words = _part(words)
    if _OTHER & set(words):
        return UNKNOWN
    per_step = bool(_PER_STEP & set(words))
    rest = [word for word in words if word not in _FILLERS and word not in _PER_STEP]
    return _figure(rest, part, (int(per_step), held_out))


def _part(words: list[str]) -> tuple[str, int, list[str]]:
    """Find whose figure it is, and leave those words out; what names no part is the training's, as in Keras."""
    # XGBoost numbers the sets that it was given, the training set first.
    for sets in (("validation", "0"), ("valid", "0"), ("eval", "0")):
        if tuple(words[:2]) == sets:
            return "val", 0, words[2:]
    for i, word in enumerate(words):
        if word in TRAIN:
            return "train", 0, [other for other in words if other not in TRAIN]
        if word in HELD_OUT:
            numbered = words[i + 1 : i + 2] == ["1"] and len(words) > i + 2
            return "val", HELD_OUT.index(word), words[:i] + words[i + 1 + numbered :]
    return "train", 1, words  # rank 1: a name that says "train" goes first


def _figure(words: list[str], part: str, rank: tuple[int, ...]) -> Meaning:
    """Find the longest run of words that is a figure's name."""
    for length in range(len(words), 0, -1):
        for i in range(len(words) - length + 1):
            text = " ".join(words[i : i + length])
            for place, pattern in enumerate(_PATTERNS):
                if pattern.fullmatch(text):
                    prefix, suffix = " ".join(words[:i]), " ".join(words[i + length :])
                    return Meaning(
                        kind="part of a loss" if prefix and not suffix and FIGURES[place].use == "loss" else "figure",
                        part=part,
                        figure=FIGURES[place],
                        rank=(place, bool(prefix), *rank),
                        prefix=prefix,
                        suffix=suffix,
                    )
    return UNKNOWN
