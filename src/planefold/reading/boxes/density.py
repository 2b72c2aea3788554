"""How many creases there are, told from random lines; and how many regions to expect, before any is counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planefold.core.errors import ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats
from planefold.reading.boxes.local_systems import Ints, as_box
from planefold.reading.capacity import expected_per_volume
from planefold.reading.certificate import Certificate
from planefold.reading.models import from_model
from planefold.reading.segments.cuts import cut


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LineCounts(Record):
    """Creases on random lines through a box.

    Parameters
    ----------
    crossings : int ndarray of shape (n_lines,)
        Creases that each line crosses within the box; where several cross in one point, one.
    lengths : ndarray of shape (n_lines,)
        How long each line is within the box, whose sides count as 1 each.
    n_inputs : int
    unit_densities : ndarray of shape (n_units,)
        Of each unit, how many times a line as long as the box's side crosses its crease, on average.
    certificate : Certificate
    """

    crossings: Ints
    lengths: Floats
    n_inputs: int
    unit_densities: Floats
    certificate: Certificate

    def __str__(self) -> str:
        return (
            f"{self.mean:,.1f} creases on a random line through the box (standard error "
            f"{self.standard_error:.2g}, {len(self.crossings):,} lines)"
        )

    @property
    def mean(self) -> float:
        """Creases per line, on average."""
        return float(self.crossings.mean())

    @property
    def standard_error(self) -> float:
        """How far the mean may be off by chance: one standard deviation of it."""
        return float(self.crossings.std(ddof=1) / math.sqrt(len(self.crossings)))

    @property
    def density(self) -> float:
        """Creases on a line as long as the box's side, on average over points and directions."""
        return float((self.crossings / self.lengths).mean())

    @property
    def density_error(self) -> float:
        """Standard error of :attr:`density`."""
        return float((self.crossings / self.lengths).std(ddof=1) / math.sqrt(len(self.crossings)))

    @property
    def expected_regions(self) -> float:
        r"""How many activation regions the box has if the creases lie as independent random hyperplanes would.

        An estimate, not a bound. On networks as they are initialised it was within 15 % of the exact count with 2 and 3
        inputs, and up to 4 times too high with 4 to 8 (see ``benchmarks/reading_regions.py``).

        Notes
        -----
        Independent hyperplanes, isotropic and uniform, of which a line meets the ``i``-th with density ``r_i``, cut a
        unit cube of ``d`` dimensions on average into

        .. math:: \sum_{k=0}^{d} \binom{d}{k} \kappa_k \frac{k!}{2^k} e_k(r_1, \ldots, r_N)

        cells, where :math:`\kappa_k` is the volume of the ``k``-dimensional unit ball and :math:`e_k` the elementary
        symmetric polynomial: the term ``k`` counts the intersections of ``k`` hyperplanes that meet the cube (for
        Poisson processes see Schneider and Weil, "Stochastic and Integral Geometry", 2008, sections 4.4 and 10.2).
        """
        d = self.n_inputs
        symmetric = np.zeros(d + 1)
        symmetric[0] = 1.0
        for density in self.unit_densities:
            symmetric[1:] += density * symmetric[:-1]
        balls = [math.exp(k / 2 * math.log(math.pi) - math.lgamma(k / 2 + 1)) for k in range(d + 1)]
        factors = [math.comb(d, k) * balls[k] * math.factorial(k) / 2**k for k in range(d + 1)]
        return float(symmetric @ factors)


def count_along_lines(model: Any, box: Any, n_lines: int = 100, *, random_state: int | None = 0) -> LineCounts:
    """Count the creases on random lines through a box: cheap in any number of dimensions.

    Parameters
    ----------
    model : estimator, PiecewiseLinearNet or whatever ``from_model`` reads
    box : (lower, upper)
        Numbers, or arrays of one for each input.
    n_lines : int
        Each goes through a random point of the box in a random direction, both uniform where the box's sides count
        as 1, from one side of the box to another.
    random_state : int or None

    Returns
    -------
    LineCounts
        The count on each line is exact; what is estimated is the average over all lines.

    References
    ----------
    Hanin and Rolnick, "Complexity of Linear Regions in Deep Networks", ICML 2019: at initialisation the average number
    of regions along a line grows with the number of units, not with the depth.
    """
    if n_lines < 2:
        raise ParameterError(f"n_lines={show(n_lines)} must be at least 2, or there is no standard error")
    net = from_model(model)
    lower, upper = as_box(box, net.n_inputs)
    rng = np.random.default_rng(random_state)
    places = rng.uniform(size=(n_lines, net.n_inputs))
    steps = rng.normal(size=places.shape)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    ends = np.stack([-places / steps, (1 - places) / steps])
    low, high = ends.min(axis=0).max(axis=1), ends.max(axis=0).min(axis=1)
    cuts = cut(net, lower + places * (upper - lower), steps * (upper - lower), low, high)
    lengths = high - low
    line = np.searchsorted(cuts.starts, cuts.bend_points, side="right") - 1
    met = np.bincount(cuts.bend_units, weights=1 / lengths[line], minlength=net.n_units) / n_lines
    return LineCounts(
        crossings=np.diff(cuts.starts) - 2,
        lengths=lengths,
        n_inputs=net.n_inputs,
        unit_densities=met,
        certificate=cuts.certificate,
    )


def expected_density(model: Any, *, constant: float = 1.0) -> float:
    r"""Return ``(constant * N) ** n_inputs / n_inputs!``: regions per unit of volume, up to the constant.

    Parameters
    ----------
    model : sequence of int, or what ``from_model`` reads
        The architecture ``(n_inputs, *hidden_layer_sizes)``, or a network that has one; ``N`` is how many hidden units
        it has, of all layers together.
    constant : float
        ``T`` below. The theorem only says that it exists: it depends on how weights and biases are drawn, and the value
        that the proof gives is far too large to be of use.

    Returns
    -------
    float

    Notes
    -----
    Hanin and Rolnick, "Deep ReLU Networks Have Surprisingly Few Activation Patterns", NeurIPS 2019, prove that at
    initialisation the expected number of activation regions in a cube, divided by the cube's volume, is at most

    .. math:: (T N)^{n_{in}} / n_{in}! \qquad (N \ge n_{in}; 2^N \text{ for fewer units}),

    whatever the depth, for cubes that are not too small, biases that are drawn from a bounded density and weights that
    keep gradients bounded. A network's own count is :func:`planefold.reading.count_regions`; what is to be
    expected of given weights, :attr:`LineCounts.expected_regions`. With ``constant=1`` the formula is the leading term
    of Zaslavsky's count of ``N`` hyperplanes. Networks with two inputs, two or three layers and PyTorch's default
    weights had 0.27 to 0.36 times :math:`N^2 / 2` regions in the whole square from -1 to 1, of volume 4: ``constant``
    is 0.26 to 0.3 for these.

    Examples
    --------
    >>> round(expected_density((2, 64, 64)))
    8192
    """
    if isinstance(model, Sequence) and all(isinstance(size, int) for size in model):
        n_inputs, n_units = (model[0] if model else 0), sum(model[1:])
    else:
        net = from_model(model)
        n_inputs, n_units = net.n_inputs, int(np.count_nonzero(net.depths() > 0))
    if n_units < 1 or n_inputs < 1:
        raise ParameterError(f"a network of {n_inputs} inputs and {n_units} hidden units has no regions to expect")
    return expected_per_volume(n_inputs, n_units, constant)
