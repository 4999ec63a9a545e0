"""Numerical decomposition of real representations into irreducible ones, which certifies itself.

A symmetric matrix that commutes with the group has invariant eigenspaces, and for a generic one they are
irreducible. So a random symmetric matrix is averaged over the group and diagonalised; no table of
representations is needed (docs/symmetry.md).
"""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key
from typing import Literal

import numpy as np

from ..argument_checks import whole
from ..declared_arguments import declared
from ..errors import InputError
from .averages import Action, check_pair, degrees_of_freedom, project

CERTIFIED = 1e-9
"""Residuals above this are refused; those of sound representations are rounding, about 1e-13."""

# Characters of real irreps that differ do so by at least 1 in root mean square.
_SAME_CHARACTER = 1e-6
# Eigenvalues of one eigenspace agree to about 1e-14 of the largest, neighbours differ by about 1/dimension^2.
_SAME_EIGENVALUE = 1e-9
# A draw whose eigenspaces meet is replaced; two draws in a row that do are already unheard of.
_DRAWS = 5

Type = Literal["real", "complex", "quaternionic"]
_TYPES: dict[int, Type] = {1: "real", 2: "complex", 4: "quaternionic"}


@dataclass(frozen=True, eq=False)
class Irrep:
    """An irreducible real representation.

    Attributes
    ----------
    name : str
        Dimension and a letter: "1a", "2a", "2b", ... sorted by dimension, then by characters, so that it
        does not depend on the seed.
    dimension : int
        ``d``.
    endomorphisms : int
        ``e = 1/|G| sum_g chi(g)^2``, the dimension of the real algebra D of matrices that commute with it:
        1, 2 or 4.
    character : ndarray, shape (order,)
    matrices : ndarray, shape (order, d, d)
        ``tau(g)``, orthogonal.
    basis : ndarray, shape (e, d, d)
        ``E_0 = I, E_1, ...`` of D: orthogonal, ``E_a`` antisymmetric for a > 0, ``E_3 = E_1 E_2``.
    """

    name: str
    dimension: int
    endomorphisms: int
    character: np.ndarray = field(repr=False)
    matrices: np.ndarray = field(repr=False)
    basis: np.ndarray = field(repr=False)

    @property
    def type(self) -> Type:
        """Whether D is the real numbers, the complex numbers or the quaternions."""
        return _TYPES[self.endomorphisms]


@dataclass(frozen=True, eq=False)
class Decomposition:
    """A representation as a sum of irreducible ones.

    Attributes
    ----------
    representation : Representation
    irreps : tuple of Irrep
        All that occur in it, or in one that was decomposed together with it.
    frames : tuple of ndarray, shapes (m, dimension, d)
        For each irrep the orthonormal bases ``V_p`` of its m copies: ``rho(g) V_p = V_p tau(g)``.
    residuals : dict of str to float
        What certifies it: ``|V^T V - I|``, ``|rho V - V tau|`` (largest entries), and the difference between
        ``sum e m^2`` and the dimension of the matrices that commute with it.
    """

    representation: Action
    irreps: tuple[Irrep, ...]
    frames: tuple[np.ndarray, ...] = field(repr=False)
    residuals: dict[str, float]

    @property
    def multiplicities(self) -> dict[str, int]:
        """Number of copies of each irrep."""
        return {each.name: V.shape[0] for each, V in zip(self.irreps, self.frames, strict=True)}

    def __str__(self) -> str:
        lines = ["irrep  dimension  type          copies"]
        lines += [
            f"{each.name:<6} {each.dimension:<10} {each.type:<13} {V.shape[0]}"
            for each, V in zip(self.irreps, self.frames, strict=True)
        ]
        lines += [f"{name} = {value:.2g}" for name, value in self.residuals.items()]
        return "\n".join(lines)


@declared
def decompose(*representations: Action, seed: int = 0) -> tuple[Decomposition, ...]:
    """Decompose representations of one group, with the same matrices ``tau(g)`` in all of them.

    Parameters
    ----------
    *representations : Representation
    seed : int
        Of the random matrices. Another seed gives other frames and matrices, equivalent to these.

    Returns
    -------
    tuple of Decomposition
        One for each, all with the same irreps; those that do not occur have no copies.

    Raises
    ------
    InputError
        If no decomposition could be certified: the matrices are not a representation accurately enough.
    """
    seed = whole("seed", seed, least=0)
    if not representations:
        raise InputError("There is no representation to decompose.")
    rng = np.random.default_rng(seed)
    known: list[Irrep] = []
    found: list[list[tuple[int, np.ndarray]]] = []
    for each in representations:
        check_pair(representations[0], each)
        found.append(_copies(each, known, rng))
    order = sorted(range(len(known)), key=cmp_to_key(lambda a, b: _before(known[a], known[b])))
    irreps = _named([known[k] for k in order])
    out: list[Decomposition] = []
    for each, copies in zip(representations, found, strict=True):
        frames = tuple(
            np.array([V for kind, V in copies if kind == k]).reshape(-1, each.dimension, irrep.dimension)
            for k, irrep in zip(order, irreps, strict=True)
        )
        out.append(Decomposition(each, irreps, frames, certified(each, irreps, frames)))
    return tuple(out)


def _copies(rho: Action, known: list[Irrep], rng: np.random.Generator) -> list[tuple[int, np.ndarray]]:
    """(number of the irrep, frame) of every copy; irreps that are new are appended to `known`."""
    out: list[tuple[int, np.ndarray]] = []
    for V, matrices in _eigenspaces(rho, rng):
        character = np.einsum("gii->g", matrices)
        same = [k for k, irrep in enumerate(known) if _alike(irrep, character)]
        if same:
            out.append((same[0], V @ _intertwiner(matrices, known[same[0]].matrices, rng)))
        else:
            known.append(_irrep(character, matrices, rng))
            out.append((len(known) - 1, V))
    return out


def _eigenspaces(rho: Action, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Irreducible subspaces with their matrices ``V^T rho(g) V``."""
    for _ in range(_DRAWS):
        S = rng.standard_normal((rho.dimension, rho.dimension))
        s, V = np.linalg.eigh(project(S + S.T, rho, rho))
        cuts = np.flatnonzero(np.diff(s) > _SAME_EIGENVALUE * np.abs(s).max()) + 1
        spaces = [(part, rho.compressed(part)) for part in np.split(V, cuts, axis=1)]
        if all(_irreducible(matrices) for _, matrices in spaces):
            return spaces
    raise InputError(
        f"The representation of dimension {rho.dimension} cannot be decomposed: its eigenspaces stay "
        "reducible, so its matrices are probably not accurate enough."
    )


def _irreducible(matrices: np.ndarray) -> bool:
    """Whether only multiples of the identity among symmetric matrices commute with these.

    The dimension of those that do is ``1/|G| sum_g (chi(g)^2 + chi(g^2)) / 2``.
    """
    order = matrices.shape[0]
    squares = float(np.linalg.norm(np.einsum("gii->g", matrices))) ** 2 / order
    frobenius_schur = float(np.sum(matrices * np.swapaxes(matrices, 1, 2))) / order
    return abs((squares + frobenius_schur) / 2 - 1) < 0.25


def _alike(irrep: Irrep, character: np.ndarray) -> bool:
    return bool(np.abs(irrep.character - character).max() < _SAME_CHARACTER)


def _intertwiner(matrices: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Orthogonal X with ``matrices X = X others``, for isomorphic irreducible representations."""
    d = matrices.shape[1]
    for _ in range(_DRAWS):
        T = rng.standard_normal((d, d))
        X = np.mean(matrices @ T @ np.swapaxes(others, 1, 2), axis=0)
        # a small average has lost digits: draw again
        if np.linalg.norm(X) > 0.1:
            return X * (np.sqrt(d) / np.linalg.norm(X))
    raise InputError("Two copies of an irreducible representation could not be aligned; try another seed.")


def _irrep(character: np.ndarray, matrices: np.ndarray, rng: np.random.Generator) -> Irrep:
    """The irrep with the basis of its algebra D."""
    d, e = matrices.shape[1], round(float(np.mean(character**2)))
    basis = [np.eye(d)]
    while len(basis) < min(e, 3):
        T = rng.standard_normal((d, d))
        X = np.mean(matrices @ (T - T.T) @ np.swapaxes(matrices, 1, 2), axis=0)
        for E in basis:
            X = X - np.sum(X * E) / d * E
        if np.linalg.norm(X) > 0.1:
            basis.append(X * (np.sqrt(d) / np.linalg.norm(X)))
    if e == 4:
        basis.append(basis[1] @ basis[2])
    return Irrep("", d, e, character, matrices, np.array(basis))


def _before(a: Irrep, b: Irrep) -> int:
    """Order of irreps: by dimension, then by the first character that differs, the larger one first."""
    if a.dimension != b.dimension:
        return a.dimension - b.dimension
    differences = b.character - a.character
    first = np.flatnonzero(np.abs(differences) > _SAME_CHARACTER)
    return int(np.sign(differences[first[0]])) if first.size else 0


def _named(irreps: Sequence[Irrep]) -> tuple[Irrep, ...]:
    out: list[Irrep] = []
    counts: dict[int, int] = {}
    for each in irreps:
        k = counts[each.dimension] = counts.get(each.dimension, 0) + 1
        name = f"{each.dimension}{_letters(k)}"
        out.append(Irrep(name, each.dimension, each.endomorphisms, each.character, each.matrices, each.basis))
    return tuple(out)


def _letters(k: int) -> str:
    """a, b, ..., z, aa, ab, ... for k = 1, 2, ..."""
    out = ""
    while k:
        k, digit = divmod(k - 1, 26)
        out = chr(ord("a") + digit) + out
    return out


def certified(rho: Action, irreps: Sequence[Irrep], frames: Sequence[np.ndarray]) -> dict[str, float]:
    """The residuals, each small; else an InputError."""
    V = np.concatenate([np.concatenate([*F], axis=1) for F in frames if len(F)], axis=1)
    square = V.shape[0] == V.shape[1]
    orthogonal = float(np.abs(V.T @ V - np.eye(V.shape[1])).max()) if square else np.inf
    equivariant = 0.0
    for g in rho.group.generators.tolist():
        for irrep, F in zip(irreps, frames, strict=True):
            for copy in F:
                residual = rho.apply(g, copy) - copy @ irrep.matrices[g]
                equivariant = max(equivariant, float(np.abs(residual).max()))
    algebra = max(_algebra_defect(irrep) for irrep in irreps)
    counted = sum(irrep.endomorphisms * len(F) ** 2 for irrep, F in zip(irreps, frames, strict=True))
    residuals = {
        "|V^T V - I|": orthogonal,
        "|rho V - V tau|": equivariant,
        "|tau E - E tau|": algebra,
        "|sum e m^2 - dim End|": float(abs(counted - degrees_of_freedom(rho, rho))),
    }
    worst = max(residuals, key=lambda name: residuals[name])
    if not residuals[worst] <= CERTIFIED:
        raise InputError(
            f"The decomposition is not certified: {worst} = {residuals[worst]:.2g} instead of at most "
            f"{CERTIFIED:.0e}; the matrices are probably not accurate enough."
        )
    return residuals


def _algebra_defect(irrep: Irrep) -> float:
    """How far the basis of D is from orthogonal matrices with ``E_a^2 = -I`` that commute with the irrep."""
    E, tau = irrep.basis, irrep.matrices
    defects = [np.abs(tau @ each - each @ tau).max() for each in E]
    defects += [np.abs(each @ each + np.eye(irrep.dimension)).max() for each in E[1:]]
    defects += [np.abs(each.T @ each - np.eye(irrep.dimension)).max() for each in E]
    return float(max(defects))
