"""How many planes a network of some architecture can have: proved bounds, what is attained, and what to expect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np

from planefold.core.errors import ParameterError, show
from planefold.networks.affine import PiecewiseLinearNet
from planefold.reading.models import from_model


@dataclass(frozen=True, kw_only=True)
class Borders:
    """How far the border between two classes can be broken up, for one output and a threshold.

    Parameters
    ----------
    what : str
        What is counted: the classes' intervals on a line, or the straight pieces of the border in a plane.
    upper : int
        At most so many, proved.
    attained : int or None
        So many a network is known to have; None where nothing is known.
    note : str
        What is proved and what is not.
    """

    what: str
    upper: int
    attained: int | None
    note: str


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Bounds on the number of planes of networks of one architecture; all are whole numbers of any size.

    Parameters
    ----------
    n_inputs : int
        Of the space, or of the slice of it, that is counted in.
    widths : tuple of int
        Creases of each layer of folds.
    zaslavsky : int or None
        Regions of one layer's creases in general position, ``sum_{k <= d} C(n, k)``: 4, 7, 11, 16 for 2 to 5 units on
        two inputs, ``n + 1`` on one. Attained; None unless there is one layer.
    montufar_upper : int
        The product of each layer's regions in the dimension that can reach it.
    serra_upper : int or None
        The same with the dimensions that inactive units take away; never more than ``montufar_upper``. None where that
        does not hold: units that are not 0 on one side of their crease, or layers that read past the one before.
    montufar_lower : int or None
        So many linear pieces the best network of this architecture has at least; None as above.
    borders : Borders or None
        For one and two inputs.

    Notes
    -----
    Upper bounds count activation regions on the whole input space, so they hold for linear pieces and within windows
    too. They hold for every fold with one crease: ReLU, leaky ReLU, absolute value. A clip is two creases, a maximum of
    ``k`` numbers ``k - 1`` in rounds of pairs.
    """

    n_inputs: int
    widths: tuple[int, ...]
    zaslavsky: int | None
    montufar_upper: int
    serra_upper: int | None
    montufar_lower: int | None
    borders: Borders | None

    @property
    def n_units(self) -> int:
        """Creases of all layers together."""
        return sum(self.widths)

    @property
    def upper(self) -> int:
        """The smallest proved upper bound."""
        return min(bound for bound in (self.zaslavsky, self.montufar_upper, self.serra_upper) if bound is not None)

    def used(self, count: int) -> float:
        """Return which share of the upper bound a number of regions or pieces is: used capacity.

        Raises
        ------
        ParameterError
            If the count is above the bound, so is of another network.
        """
        if not 0 < count <= self.upper:
            raise ParameterError(
                f"count={show(count)} is not between 1 and the bound {self.upper}",
                hint="count and bound must be of one network and one space",
            )
        return int(count) / self.upper

    def expected(self, volume: float = 1.0, *, constant: float = 1.0) -> float:
        """Return the order of the expected number of activation regions in a window, for a network before training.

        Parameters
        ----------
        volume : float
            Of the window, which should not be small.
        constant : float
            ``T`` of the theorem. It depends on the densities of the biases and on the sizes of the gradients, and is
            seldom known, so with ``T = 1`` the answer is an order of magnitude, not a bound.

        Notes
        -----
        ``(T N)^d / d! * volume`` for ``N >= d`` units, else ``2^N * volume``: the depth does not matter. The theorem
        says that no more are to be expected in a large enough cube, for some ``T``, if weights and biases have
        densities, those of the biases bounded (so not zero biases), and gradients do not explode. On the square from
        -1 to 1, random networks with two and three layers of 64 units (``random_net((2, 64, 64, 1), seed)``, seeds 0
        to 4) have 0.05 to 0.08 of it with ``T = 1``, with ten layers of 32 units 0.01.

        References
        ----------
        Hanin and Rolnick, "Deep ReLU Networks Have Surprisingly Few Activation Patterns", NeurIPS 2019, theorem 5.
        """
        return 1.0 if self.n_units == 0 else expected_per_volume(self.n_inputs, self.n_units, constant) * volume

    def __str__(self) -> str:
        lines = [f"{self.n_inputs} inputs, layers of {', '.join(map(str, self.widths)) or 'no'} units"]
        for name, bound in (
            ("at most (Zaslavsky)", self.zaslavsky),
            ("at most (Montufar)", self.montufar_upper),
            ("at most (Serra)", self.serra_upper),
            ("the best has at least (Montufar)", self.montufar_lower),
        ):
            if bound is not None:
                lines.append(f"  {name}: {_written(bound)}")
        if self.borders is not None:
            lines.append(f"  {self.borders.what}: at most {_written(self.borders.upper)}; {self.borders.note}")
        return "\n".join(lines)


def bounds(architecture: Sequence[int] | Any, *, n_inputs: int | None = None) -> Bounds:
    """Bound the number of planes that networks of an architecture can have.

    Parameters
    ----------
    architecture : sequence of int, or a model that :func:`planefold.reading.from_model` reads
        Numbers of inputs, of units in each hidden layer, and of outputs: ``(2, 3, 4, 1)``, with ReLU.
    n_inputs : int, optional
        Dimension of the slice of the input space that is counted in, if not all of it: 2 for a plane.

    Raises
    ------
    ParameterError
        If a number is not a whole number of 1 or more.

    Notes
    -----
    The cost grows with the number of units; widths of thousands are no matter. With ``n_0`` inputs and layers of
    ``n_1, ..., n_L`` units:

    - Zaslavsky 1975, "Facing up to Arrangements": ``sum_{k <= n_0} C(n_1, k)`` for one layer.
    - Raghu et al., ICML 2017, and Montufar 2017, "Notes on the number of linear regions of deep neural networks":
      ``prod_l sum_{j <= m_l} C(n_l, j)`` with ``m_l = min(n_0, ..., n_l)``.
    - Serra, Tjandraatmadja and Ramalingam, "Bounding and Counting Linear Regions of Deep Neural Networks", ICML 2018,
      theorem 1: the sum of ``prod_l C(n_l, j_l)`` over all ``j_l <= min(n_0, n_1 - j_1, ..., n_{l-1} - j_{l-1}, n_l)``.
    - Montufar, Pascanu, Cho and Bengio, NeurIPS 2014, theorem 4, from below:
      ``prod_{l < L} floor(n_l / d)^d * sum_{j <= d} C(n_L, j)``, where ``d`` is the number of inputs, or of units in
      the narrowest layer if that is less.

    Examples
    --------
    >>> bounds((2, 12, 1)).upper, bounds((2, 3, 4, 1)).upper
    (79, 59)
    >>> bounds((2, 3, 1)).used(7)
    1.0
    """
    if isinstance(architecture, Sequence) and not isinstance(architecture, str):
        numbers = [_whole(number, architecture) for number in architecture]
        if len(numbers) < 2:
            raise ParameterError(
                f"architecture={show(architecture)} is too short",
                hint="numbers of inputs, of units in each hidden layer, and of outputs: (2, 3, 1)",
            )
        d, steps, is_chain, is_one_sided = numbers[0], [(True, n) for n in numbers[1:-1]], True, True
    else:
        net = from_model(architecture)
        d = net.n_inputs
        steps, is_chain = _steps(net)
        is_one_sided = _is_one_sided(net)
    if n_inputs is not None:
        d = _whole(n_inputs, n_inputs)
    is_relu_chain, is_shallow = is_chain and is_one_sided, len(steps) == 1 and steps[0][0]
    found = Bounds(
        n_inputs=d,
        widths=tuple(n for folds, n in steps if folds),
        zaslavsky=_regions(steps[0][1], d) if is_shallow else None,
        montufar_upper=_montufar_upper(d, steps, is_chain),
        serra_upper=_serra_upper(d, steps) if is_relu_chain else None,
        montufar_lower=_montufar_lower(d, steps) if is_relu_chain else None,
        borders=None,
    )
    return replace(found, borders=_borders(found, is_shallow and is_one_sided))


# ------------------------------------------------------------------------------------------------------ the formulas


def _binomials(n: int) -> list[int]:
    row = [1]
    for j in range(n):
        row.append(row[-1] * (n - j) // (j + 1))
    return row


def _regions(n: int, d: int) -> int:
    """Regions that n hyperplanes in general position cut a space of dimension d into."""
    return sum(_binomials(n)[: d + 1])


# A layer: whether it folds, and its units; one that does not fold can only take dimensions away.
Steps = list[tuple[bool, int]]


def _montufar_upper(d: int, steps: Steps, is_chain: bool) -> int:
    product, dimension = 1, d
    for folds, n in steps:
        if folds:
            product *= _regions(n, min(dimension, n))
        if is_chain:
            dimension = min(dimension, n)
    return product


def _serra_upper(d: int, steps: Steps) -> int:
    """Sum over all j from the last layer back; ``after[k]`` is the sum over the layers behind, k dimensions left."""
    after = [1] * (d + 1)
    for folds, n in reversed(steps):
        if not folds:
            after = [after[min(k, n)] for k in range(d + 1)]
            continue
        row = _binomials(n)
        free = list(accumulate(row))  # j so small that n - j units leave all k dimensions
        bound = list(accumulate(row[j] * after[min(n - j, d)] for j in range(n + 1)))
        sums = []
        for dimension in range(min(d, n) + 1):
            few = min(dimension, n - dimension)
            sums.append(free[few] * after[dimension] + bound[dimension] - bound[few])
        after = sums + [sums[-1]] * (d - len(sums) + 1)
    return after[d]


def _montufar_lower(d: int, steps: Steps) -> int:
    widths = [n for folds, n in steps if folds]
    if not widths:
        return 1
    d = min([d, *(n for _, n in steps)])  # further inputs may be left unread
    factors: list[int] = [(n // d) ** d for n in widths[:-1]]
    return math.prod(factors) * _regions(widths[-1], d)


def _borders(found: Bounds, is_shallow_relu: bool) -> Borders | None:
    n, upper = found.n_units, found.upper
    if found.n_inputs == 1:
        what = "intervals of one class"
        if is_shallow_relu:
            known = {1: 2, 2: 3}.get(n, n + 2)
            note = "attained" if n > 2 else "attained; n + 2 is not, since the slopes of the pieces are tied"
            return Borders(what=what, upper=known, attained=known, note=note)
        return Borders(what=what, upper=upper + 1, attained=None, note="one crossing on each piece")
    if found.n_inputs == 2:
        what = "straight pieces of the border of two classes"
        if not is_shallow_relu:
            return Borders(what=what, upper=upper, attained=None, note="one on each plane")
        if n <= 3:
            known = {1: 1, 2: 3, 3: 6}[n]
            return Borders(
                what=what, upper=known, attained=known, note=f"attained; one on each of {upper} planes is not"
            )
        attained = upper if n <= 5 else None  # integer weights that do are in tests/lessons/test_claims_reading.py
        seen = "attained" if attained else "attained with 4 and 5 units, not known with more"
        return Borders(what=what, upper=upper, attained=attained, note=f"one on each plane; {seen}")
    return None


# ------------------------------------------------------------------------------------------------- reading a network


def _steps(net: PiecewiseLinearNet) -> tuple[Steps, bool]:
    """Return the layers of folds, and whether each layer reads the one before alone."""
    if not net.folds:
        return [], True
    before = net.nodes[: net.folds[-1][0] + 1]
    if all(node.sources == (number,) for number, node in enumerate(before)):
        return [(node.fold is not None, node.n_units) for node in before], True
    # Folds that do not read each other are one layer: the two ends of a clip.
    groups: list[list[int]] = []
    for number, _, _ in net.folds:
        depends = [source for source in net.nodes[number].sources if groups and source > groups[-1][0]]
        if groups and not depends:
            groups[-1].append(number)
        else:
            groups.append([number])
    return [(True, sum(net.nodes[number].n_units for number in group)) for group in groups], False


def _is_one_sided(net: PiecewiseLinearNet) -> bool:
    """Tell whether every unit is 0 on one side of its crease."""
    folds = [node.fold for node in net.nodes if node.fold is not None]
    return all(bool(np.all((np.asarray(fold.left) == 0) | (np.asarray(fold.right) == 0))) for fold in folds)


def _whole(number: Any, typed: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
        raise ParameterError(
            f"{show(number)} in {show(typed)} is not a whole number of 1 or more",
            hint="numbers of inputs, of units in each hidden layer, and of outputs: (2, 3, 1)",
        )
    return int(number)


def _written(number: int) -> str:
    """Write short numbers in full and long ones by their size."""
    if number < 10**15:
        return f"{number:,}"
    digits = number.bit_length() * math.log10(2)
    return f"about 10^{digits:.0f}"


def expected_per_volume(n_inputs: int, n_units: int, constant: float) -> float:
    """Evaluate the formula of :meth:`Bounds.expected` for a window of volume 1; infinite beyond float64."""
    if n_units < n_inputs:
        logarithm = n_units * math.log(2)
    else:
        logarithm = n_inputs * math.log(constant * n_units) - math.lgamma(n_inputs + 1)
    return math.exp(logarithm) if logarithm < 700 else math.inf
