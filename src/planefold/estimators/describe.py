"""The parameters of the estimators in words, written once for all of them."""

from __future__ import annotations

import inspect
from textwrap import dedent
from typing import TypeVar

T = TypeVar("T", bound=type)

PARAMETERS = """\
    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Units of each hidden layer of one member; ``()`` is a linear model.
    activation : {"identity", "logistic", "tanh", "relu", "leaky_relu"}
        relu and leaky_relu give a piecewise-linear network.
    solver : {"adam", "adamw", "nadam", "adam_uncorrected", "rmsprop", "adagrad", "adadelta", "sgd", "momentum", \
"averaged_momentum", "nesterov", "lbfgs"}
        The rule of the steps; :mod:`planefold.engine.optimizers` has the formula and the source of each.
    alpha : float
        Strength of the penalty ``alpha * ((1 - l1_ratio) / 2 * sum(w^2) + l1_ratio * sum(|w|))``, divided by the
        number of rows in a batch. Of ``solver="adamw"`` the share ``rate * alpha`` that each step takes off the
        weights.
    batch_size : int or "auto"
        Rows of a step; "auto" is ``min(200, n_samples)``.
    learning_rate : {"cosine", "one_cycle", "step", "plateau", "warmup", "constant", "invscaling", "adaptive"} \
or planefold.Schedule
        How the rate changes; a name is short for the :class:`planefold.Schedule` of that kind, which has the options.
        "cosine" falls from ``learning_rate_init`` to 0 over ``max_iter`` epochs, "one_cycle" rises to it first,
        "step" lowers it to a tenth after each third of them, "plateau" whenever the validation loss stands still.
        "invscaling" and "adaptive" act on ``solver="sgd"`` and its relatives "momentum", "averaged_momentum" and
        "nesterov" alone, as in scikit-learn.
    learning_rate_init : float
        The first rate. 0.01 is right for inputs on one scale and a rate that falls.
    power_t : float
        Exponent of "invscaling".
    max_iter : int, optional
        Most epochs (lbfgs: iterations). None is 100, and fewer where an epoch has more than 100 steps: about
        10,000 steps, but at least 20 epochs.
    shuffle : bool
        Whether each epoch takes the rows in a new order.
    random_state : int, RandomState or None
        The same number gives the same model on the same machine.
    tol, n_iter_no_change : float
        Training ends when the loss (with ``early_stopping`` the validation loss) has not fallen by ``tol`` for
        more than ``n_iter_no_change`` epochs, in every member.
    verbose : bool or int
        Print the loss of each epoch. Without it long trainings show a progress bar, on a terminal only.
    warm_start : bool
        Go on from the present weights in the next ``fit``.
    momentum : float
        Of ``solver="sgd"``, "momentum", "averaged_momentum" and "nesterov": weight of the past in their steps.
    nesterovs_momentum : bool
        Whether the momentum of ``solver="sgd"`` looks ahead.
    early_stopping : bool
        Hold rows out, stop by their loss and keep the weights that were best on them. scikit-learn judges by
        the score; the loss is steadier.
    validation_fraction : float
        Share of the rows that is held out by a single network. Several members hold out one fold each of
        ``max(n_members, 5)``, so that each row is learned from.
    beta_1, beta_2, epsilon : float
        Of ``solver="adam"`` and its relatives; ``epsilon`` also of "rmsprop", "adagrad" and "adadelta".
    rho : float
        Of ``solver="rmsprop"`` and "adadelta": weight of the past in their running means of squares.
    max_fun : int
        Most evaluations of ``solver="lbfgs"``.
    n_members : int
        Networks that are trained side by side and whose outputs (before the link) are averaged: together one
        wider network.
    skip : {"linear", None}
        "linear" adds a path from the inputs straight to the output that starts at the fitted linear
        (ridge, logistic) solution, so that the units learn what it misses.
    encoding : {"auto", "linear", "piecewise_linear"}
        Inputs that a number column becomes; see :class:`planefold.data.TableEncoder`, whose own ``encoding`` counts
        when one is passed. "auto" takes the piecewise-linear one where a short training with it ends at a lower loss
        on held-out rows.
    dropout : float or sequence of float
        Share of the units of each hidden layer that a training step leaves out.
    batch_norm : bool
        Standardise what each hidden unit receives, by the mean and deviation of the batch, before its activation
        (Ioffe and Szegedy, 2015); prediction uses running means of both. Off, as scikit-learn has none.
    l1_ratio : float
        Share of the penalty ``alpha`` that is L1: 0 is L2 alone, 1 is L1 alone. With "sgd" and the momentum rules
        the L1 part makes weights exactly 0; ``run_.n_zero_weights`` says how many.
    penalize_bias : bool
        Whether the penalty acts on the biases, too.
    clip_norm : float, optional
        Longest gradient of a member; a longer one is shortened to it. Not with "lbfgs".
    init : str or planefold.networks.Initialization
        How the first weights are drawn: "auto" as scikit-learn draws them, or "zeros", "uniform", "normal",
        "glorot_uniform", "glorot_normal", "he_uniform", "he_normal". An ``Initialization`` also sets the scale of
        "uniform" and "normal", and a first value for the biases of hidden units.
"""

CLASS_WEIGHT = """\
    class_weight : "balanced", dict of class to weight, or None
        Weights of the rows by their class; "balanced" gives each class the same weight in total. The probabilities
        become those of such an even world.
    resample : {"bootstrap", "smote", "adasyn"}, optional
        Make the classes of the training rows equally frequent: repeat rows of the rarer ones, or make up rows between
        neighbours in one class, after the columns are prepared. Rows that are held out stay as they are and count as
        if their classes were equally frequent. Afterwards the output biases are corrected, so that the probabilities
        are those of the data (Saerens, Latinne and Decaestecker, 2002).
    threshold : float or {"f1", "balanced_accuracy", "matthews_corrcoef"}, optional
        Of two classes: the probability of the second one above which it is predicted, or the measure by which that
        is chosen on the rows that each member held out. None is one half; with ``resample`` it is where the
        corrected probabilities decide as those of the equally frequent classes did.
"""

LOSS = """\
    loss : {"squared_error", "mean_squared_error", "absolute_error", "huber", "poisson"}
        Which errors count how much. "squared_error" (half of the square, summed over the outputs) learns the mean;
        "mean_squared_error", Keras's and torch's, has no half and averages over the outputs. "absolute_error"
        learns the median, "huber" something between the two: where a few targets are grossly wrong these two are
        not drawn to them, and ``preprocess`` scales the target by its median and interquartile range. "poisson" is
        for counts.
    huber_delta : float
        Of ``loss="huber"``: the residual beyond which the loss grows no faster than its absolute value, in units of
        the target's robust scale (with ``preprocess=None`` of the target itself). 1.35 keeps 95 % of the efficiency
        of least squares where the errors are normal with deviation 1 (Huber, 1981).
"""

MORE_PARAMETERS = """\
    preprocess : "auto", None, or a transformer
        "auto" prepares the columns of any table (:class:`planefold.data.TableEncoder`, whose options you
        set by passing one), and standardises a target of numbers. None takes numbers as they are.
    device : str
        "auto" is the first GPU if there is one, else the CPU; ``run_.device`` says which.
    dtype : {"auto", "float32", "float64"}
        Number type of the weights; "auto" is float32, and with ``preprocess=None`` the type of X.
    restore_best : bool
        Keep the weights of the best epoch (with ``early_stopping`` or ``validation_data``), not the last.
    callbacks : sequence of functions, optional
        Called with the :class:`planefold.engine.Epoch` after each epoch; one that returns True ends the
        training.

    Attributes
    ----------
    run_ : planefold.engine.Run
        What happened in the training, epoch by epoch.
    encoder_ : TableEncoder, transformer or None
        What turns a table into inputs; ``encoder_.inputs_`` says what each input is.
    net_ : planefold.networks.MLP
        The torch module.
    target_name_ : str or None
        What the target is called, where it came with a name.
    coefs_, intercepts_ : list of ndarray
        Weights and biases of each layer; of several members, those of the one wider network that is their
        mean. Batch normalisation is worked into them, so that they are the network that predicts.
    skip_coef_ : ndarray of shape (n_inputs, n_outputs), or None
        Weights of the linear path.
    loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_, n_iter_, t_, n_layers_, n_outputs_,
    out_activation_, n_features_in_, feature_names_in_
        As in scikit-learn."""

THRESHOLD = """
    threshold_ : float, or ndarray of shape (n_classes,)
        Of two classes: the probability of the second one above which it is predicted. Of more: the class is predicted
        whose probability is largest beside its entry here; without ``resample`` all are equal.
"""


def documented(cls: T) -> T:
    """Fill the parameters into a class's docstring at ``{parameters}``."""
    if cls.__doc__:  # python -OO has none
        own = CLASS_WEIGHT if "Classifier" in cls.__name__ else LOSS
        learned = THRESHOLD if "Classifier" in cls.__name__ else ""
        parameters = dedent(PARAMETERS + own + MORE_PARAMETERS + learned).rstrip()
        cls.__doc__ = inspect.cleandoc(cls.__doc__).replace("{parameters}", parameters)
    return cls
