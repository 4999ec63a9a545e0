"""Equivariant matrices in block form: one matrix over D for each irreducible representation."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .. import measures
from ..argument_checks import array, instance, one_of, whole
from ..declared_arguments import declared
from ..errors import InputError
from .algebra import embed, singular_values
from .averages import Action
from .decomposition import Decomposition, Irrep, decompose


@dataclass(frozen=True)
class BlockCost:
    """The least squared norm of weights with an equivariant product, split by irrep (Theorem S3).

    Attributes
    ----------
    by_irrep : dict of str to float
        ``L d sum_i s_i(M)^(2/L)``.
    """

    by_irrep: dict[str, float]

    @property
    def total(self) -> float:
        """``L sum_tau d_tau sum_i s_i(M^tau)^(2/L)``, which is ``L sum_j sigma_j(A)^(2/L)``."""
        return sum(self.by_irrep.values())


@dataclass(frozen=True, eq=False)
class EquivariantMaps:
    """The matrices A with ``A rho_columns(g) = rho_rows(g) A``, in coordinates in which they are blocks.

    ``A = sum_tau sum_{p,q,a} M_a[p, q] V_p E_a V'_q^T`` with frames V of the rows and V' of the columns, and
    the basis ``E_a`` of the algebra D of the irrep (Schur's lemma, docs/symmetry.md). The block of an irrep
    is the array ``M``, shape (e, m, n): a matrix over D with m rows and n columns in its e real components.

    Attributes
    ----------
    rows, columns : Decomposition
        Made together, so that their irreps are the same ones.
    """

    rows: Decomposition
    columns: Decomposition
    _frames: dict[str, tuple[np.ndarray, np.ndarray]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.rows.irreps is not self.columns.irreps:
            raise InputError("Rows and columns must be decomposed together; EquivariantMaps.between does so.")
        frames = {
            irrep.name: (left, right)
            for irrep, left, right in zip(
                self.rows.irreps, self.rows.frames, self.columns.frames, strict=True
            )
            if len(left) and len(right)
        }
        if not frames:
            raise InputError("Rows and columns share no irrep: only the zero matrix is equivariant.")
        object.__setattr__(self, "_frames", frames)

    @classmethod
    @declared
    def between(cls, rows: Action, columns: Action, *, seed: int = 0) -> EquivariantMaps:
        """The equivariant matrices with these representations of their rows and columns.

        Raises
        ------
        InputError
            As :func:`decompose`.
        """
        if rows is columns:
            (both,) = decompose(rows, seed=seed)
            return cls(both, both)
        return cls(*decompose(rows, columns, seed=seed))

    # -- facts -----------------------------------------------------------------------------------

    @property
    def irreps(self) -> tuple[Irrep, ...]:
        """The irreps that rows and columns share; all others contribute nothing."""
        return tuple(each for each in self.rows.irreps if each.name in self._frames)

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.representation.dimension, self.columns.representation.dimension

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Rows and columns of the block of each irrep."""
        return {name: (left.shape[0], right.shape[0]) for name, (left, right) in self._frames.items()}

    @property
    def degrees_of_freedom(self) -> int:
        """Real numbers that make up an equivariant matrix: ``sum e m n``."""
        return sum(each.endomorphisms * int(np.prod(self.sizes[each.name])) for each in self.irreps)

    @declared
    def irrep(self, name: str) -> Irrep:
        """The shared irrep of a name."""
        names = [each.name for each in self.irreps]
        return self.irreps[names.index(one_of("irrep", name, names))]

    # -- coordinates -----------------------------------------------------------------------------

    @declared
    def blocks(self, A: np.ndarray) -> dict[str, np.ndarray]:
        """``M_a[p, q] = <V_p E_a V'_q^T, A> / d`` by irrep, shapes (e, m, n).

        Of a matrix that is not equivariant these are the blocks of its projection.
        """
        A = array("A", A, self.shape)
        out: dict[str, np.ndarray] = {}
        for each in self.irreps:
            left, right = self._frames[each.name]
            inner = np.einsum("pis,ij,qjt->pqst", left, A, right, optimize=True)
            out[each.name] = np.einsum("pqst,ast->apq", inner, each.basis) / each.dimension
        return out

    @declared
    def assemble(self, blocks: Mapping[str, np.ndarray]) -> np.ndarray:
        """The matrix with these blocks; irreps that are left out are zero.

        Parameters
        ----------
        blocks : mapping of str to ndarray, shapes (e, m, n)
        """
        A = np.zeros(self.shape)
        instance("blocks", blocks, Mapping)
        for name, M in blocks.items():
            each, (left, right) = self.irrep(name), self._frames[name]
            M = array(f"blocks[{name!r}]", M, (each.endomorphisms, *self.sizes[name]))
            A += np.einsum("apq,pis,ast,qjt->ij", M, left, each.basis, right, optimize=True)
        return A

    @declared
    def project(self, A: np.ndarray) -> np.ndarray:
        """The nearest equivariant matrix, by way of the blocks; :func:`project` averages instead."""
        return self.assemble(self.blocks(A))

    @declared
    def cells(self, rows: np.ndarray, cols: np.ndarray) -> dict[str, np.ndarray]:
        """What each cell reads of the blocks: ``A_ij = sum S_ij * M`` over all irreps and components.

        ``S_ij = y_i E_a x_j^T`` with the coordinates y of row i and x of column j.

        Parameters
        ----------
        rows, cols : ndarray of int, shape (N,)

        Returns
        -------
        dict of str to ndarray, shapes (N, e, m, n)

        Raises
        ------
        InputError
            If there is no such row or column.
        """
        for name, at, size in zip(("rows", "cols"), (rows, cols), self.shape, strict=True):
            if np.size(at) and (np.min(at) < 0 or np.max(at) >= size):
                raise InputError(f"{name} must be positions from 0 to {size - 1}.")
        out: dict[str, np.ndarray] = {}
        for each in self.irreps:
            left, right = self._frames[each.name]
            turned = np.einsum("pns,ast->anpt", left[:, rows], each.basis, optimize=True)
            out[each.name] = np.einsum("anpt,qnt->napq", turned, right[:, cols], optimize=True)
        return out

    # -- spectra ---------------------------------------------------------------------------------

    @declared
    def singular_values(self, A: np.ndarray) -> dict[str, np.ndarray]:
        """Singular values over D of every block, decreasing, each once.

        Each is a singular value of A, ``d`` times over.
        """
        return {
            name: singular_values(embed(M), self.irrep(name).endomorphisms)
            for name, M in self.blocks(A).items()
        }

    @declared
    def schatten_cost(self, A: np.ndarray, *, depth: int) -> BlockCost:
        """The least ``sum_l |W_l|^2`` over equivariant weights with product `A` (Theorem S3 (i)).

        The sum over the irreps is the cost without any symmetry: equivariance does not change the price.

        Parameters
        ----------
        A : ndarray, shape (m, n)
            Equivariant; of another matrix its projection counts.
        depth : int
            Number of layers, at least 2; hidden layers are taken to hold enough copies of each irrep.
        """
        depth = whole("depth", depth, least=2)
        return BlockCost(
            {
                name: self.irrep(name).dimension * float(measures.schatten_cost(s, depth=depth))
                for name, s in self.singular_values(A).items()
            }
        )

    def __repr__(self) -> str:
        return f"EquivariantMaps({self.shape[0]} x {self.shape[1]}, {len(self.irreps)} irreps, " + (
            f"{self.degrees_of_freedom} degrees of freedom)"
        )
