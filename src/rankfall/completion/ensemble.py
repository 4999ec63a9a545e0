"""Several fits of one rank averaged, and the average factored again to that rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .factoring import thin_svd
from .posterior import Posterior, Refitter

# rounds between the priors of the rows and the rows
_ROUNDS = 4
# directions of a member below this share of its largest are dead, and tell nothing of another's
_DEAD = 0.05


def combine(refitter: Refitter, members: Sequence[Posterior]) -> Posterior:
    """The mean of the members' matrices, cut to the rank of the first, as one posterior with rows folded in.

    The mean low-rank part is factored as ``U V^T`` with ``|u_k| = |v_k|`` and cut to the rank. Each member's
    column factors are mapped on V by least squares; the covariances of the columns are the members', mapped
    likewise. Priors of the rows are those of largest evidence for these columns.
    """
    first = members[0]
    V, s = _mean_columns(members, first.rank)
    effects = [member.cols.mean[:, member.rank :] for member in members]
    mean = np.hstack([V, np.mean(effects, axis=0)])
    cov = np.mean([_mapped(member, V) for member in members], axis=0)
    line = np.mean([member.cols.line for member in members], axis=0)
    noise = float(np.mean([member.noise for member in members]))
    ridges = first.rows.prior.copy()
    ridges[: first.rank] = first.rows.mean.shape[0] / np.maximum(s, 1e-12 * s[0])
    out = replace(
        first,
        cols=replace(first.cols, mean=mean, cov=cov, line=line),
        rows=replace(first.rows, prior=ridges),
        noise=noise,
    )
    for _ in range(_ROUNDS):
        out = refitter.refresh_rows(out)
    return refitter.fold_rows(out)


def _mean_columns(members: Sequence[Posterior], rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Column factors of the mean of the members' low-rank parts, cut to the rank, and its singular values."""
    U = np.hstack([member.frames()[0] for member in members]) / len(members)
    V = np.hstack([member.frames()[1] for member in members])
    _, s, Vt = thin_svd(U, V)
    return Vt[:rank].T * np.sqrt(s[:rank]), s[:rank]


def _mapped(member: Posterior, V: np.ndarray) -> np.ndarray:
    """Packed covariances of a member's columns in the coordinates of V."""
    side, rank = member.cols, member.rank
    F, effects = side.free.size, side.free.size - rank
    to = np.zeros((F, V.shape[1] + effects))
    to[rank:, V.shape[1] :] = np.eye(effects)
    to[:rank, : V.shape[1]] = np.linalg.lstsq(side.mean[:, :rank], V, rcond=_DEAD)[0]
    lower = np.tril_indices(F)
    full = np.zeros((side.mean.shape[0], F, F))
    full[:, lower[0], lower[1]] = side.cov
    full[:, lower[1], lower[0]] = side.cov
    kept = np.tril_indices(to.shape[1])
    return (to.T @ full @ to)[:, kept[0], kept[1]]
