"""Matrices that rows are multiplied by: dense, sparse, or blocks along the diagonal, whichever is smallest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float64]

# A matrix with fewer entries than this share of its size is kept sparse, if it is not small anyway.
SPARSE_BELOW = 0.1
SMALL = 4096


class Blocks:
    """A block-diagonal matrix of equal blocks, for networks that stand side by side.

    Parameters
    ----------
    blocks : ndarray of shape (n_blocks, fan_in, fan_out)

    Notes
    -----
    ``rows @ blocks`` costs ``n_blocks`` small products in the place of one that is ``n_blocks`` times as expensive.
    """

    __array_ufunc__ = None  # so that ndarray @ Blocks comes here

    def __init__(self, blocks: Floats) -> None:
        self.blocks = blocks

    @property
    def shape(self) -> tuple[int, int]:
        """Of the whole matrix."""
        n, fan_in, fan_out = self.blocks.shape
        return n * fan_in, n * fan_out

    @property
    def T(self) -> Blocks:  # noqa: N802  # the name that arrays have
        """The transpose."""
        return Blocks(self.blocks.transpose(0, 2, 1))

    def __rmatmul__(self, rows: Floats) -> Floats:
        n, fan_in, fan_out = self.blocks.shape
        result = np.empty((len(rows), n, fan_out))
        np.matmul(rows.reshape(len(rows), n, fan_in).transpose(1, 0, 2), self.blocks, out=result.transpose(1, 0, 2))
        return result.reshape(len(rows), n * fan_out)

    def toarray(self) -> Floats:
        """The matrix with its zeros."""
        n, fan_in, fan_out = self.blocks.shape
        full = np.zeros((n, fan_in, n, fan_out))
        full[np.arange(n), :, np.arange(n), :] = self.blocks
        return full.reshape(self.shape)


# What rows are multiplied by, from the right: an ndarray, a CSR array, or blocks. All know @, .T and .shape.
Matrix = Any


def is_sparse(matrix: Matrix) -> bool:
    """Tell whether a matrix is one of SciPy's sparse ones."""
    return bool(sp.issparse(matrix))


def compact(matrix: Matrix) -> Matrix:
    """Keep a matrix dense or sparse, whichever its entries suggest, as float64."""
    if isinstance(matrix, Blocks):
        return matrix
    size = matrix.shape[0] * matrix.shape[1]
    if size > SMALL and n_nonzero(matrix) < SPARSE_BELOW * size:
        return sp.csr_array(matrix, dtype=np.float64)
    return np.asarray(matrix.toarray() if is_sparse(matrix) else matrix, dtype=np.float64)


def n_nonzero(matrix: Matrix) -> int:
    """Count the entries of any matrix that are not zero."""
    if isinstance(matrix, Blocks):
        return int(np.count_nonzero(matrix.blocks))
    return int(matrix.count_nonzero() if is_sparse(matrix) else np.count_nonzero(matrix))


def dense(matrix: Matrix) -> Floats:
    """Return any matrix as an array."""
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.toarray())


def n_entries(matrix: Matrix | None) -> int:
    """Count the numbers that a matrix is kept as; none for the identity."""
    if matrix is None:
        return 0
    if isinstance(matrix, Blocks):
        return int(matrix.blocks.size)
    return int(matrix.nnz if is_sparse(matrix) else matrix.size)


def entrywise(function: Callable[[Floats], Floats], matrix: Matrix) -> Matrix:
    """Apply to each entry of any matrix a function that leaves 0 as it is.

    >>> entrywise(np.abs, sp.csr_array(np.array([[0.0, -2.0]]))).toarray()
    array([[0., 2.]])
    """
    if isinstance(matrix, Blocks):
        return Blocks(function(matrix.blocks))
    if not is_sparse(matrix):
        return function(matrix)
    changed = sp.csr_array(matrix)
    return sp.csr_array((function(changed.data), changed.indices, changed.indptr), shape=changed.shape)
