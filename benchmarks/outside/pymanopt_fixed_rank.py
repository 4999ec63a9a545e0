"""pymanopt on its manifold of matrices of fixed rank, told the true rank, for benchmarks/end_to_end.py.

Minimised is half the sum of squared residuals at the observed entries, from the truncated singular value
decomposition of the observed entries (zero elsewhere, divided by their share). Nothing is left to automatic
differentiation: gradient and Hessian are the formulas of B. Vandereycken, "Low-rank matrix completion by
Riemannian optimization", SIAM J. Optimization 23 (2013), with the residuals as a sparse matrix. Where
pymanopt 2.2.1 would lose time, it is helped:

- its products with a tangent vector of another point form the dense m x n matrix; here they are bracketed
  the other way;
- "cg": the first trial step is the exact one along the tangent (that paper's), not one guessed from the
  step before;
- "tr": the trust region's radius starts from the norm of the matrix, not from the dimension of the
  manifold.

The clock stops while the error is looked up. Reads a JSON object from standard input, writes one to
standard output.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np
import pymanopt  # pyright: ignore[reportMissingImports]
from pymanopt.manifolds import FixedRankEmbedded  # pyright: ignore[reportMissingImports]
from pymanopt.manifolds.fixed_rank import (  # pyright: ignore[reportMissingImports]
    _FixedRankPoint,
    _FixedRankTangentVector,
)
from pymanopt.optimizers import ConjugateGradient, TrustRegions  # pyright: ignore[reportMissingImports]
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

# the error is looked up once the relative residual is this small: before, it cannot be small either
_LOOK = 1e-4


class Ended(Exception):
    """The target was reached, or the time is over."""


class Manifold(FixedRankEmbedded):
    """pymanopt's, without dense m x n products."""

    def _apply_ambient(self, vector, matrix):
        if isinstance(vector, (list, tuple)):
            return vector[0] @ (vector[1] @ (vector[2].T @ matrix))
        return vector @ matrix

    def _apply_ambient_transpose(self, vector, matrix):
        if isinstance(vector, (list, tuple)):
            return vector[2] @ (vector[1].T @ (vector[0].T @ matrix))
        return vector.T @ matrix


class Completion:
    """Cost, gradient and Hessian; entries in the order of a CSR matrix."""

    def __init__(self, data, seconds, target):
        self.shape, self.rank = tuple(data["shape"].tolist()), int(data["rank"])
        order = np.lexsort((data["cols"], data["rows"]))
        self.rows, self.cols, self.values = (data[name][order] for name in ("rows", "cols", "values"))
        self.norm = np.linalg.norm(self.values)
        self.check = [data[f"check_{name}"] for name in ("rows", "cols", "values")]
        self.sparse_start = np.concatenate([[0], np.cumsum(np.bincount(self.rows, minlength=self.shape[0]))])
        self.seconds, self.target = seconds, target
        self.began, self.paused = time.perf_counter(), 0.0
        self.point, self.residuals = (None, None, None), self.values
        self.iterations, self.reached = 0, False

    @property
    def elapsed(self):
        return time.perf_counter() - self.began - self.paused

    def sparse(self, values):
        return csr_matrix((values, self.cols, self.sparse_start), shape=self.shape)

    def start(self):
        share = self.values.size / np.prod(self.shape, dtype=float)
        noise = np.random.default_rng(0).standard_normal(min(self.shape))
        svd = svds(self.sparse(self.values / share), k=self.rank, v0=noise)
        u, s, vt = map(np.asarray, svd)
        return _FixedRankPoint(u[:, ::-1], s[::-1], vt[::-1])

    def at(self, left, right):
        """Entries of left @ right at the observed cells."""
        return np.einsum("ij,ij->i", left[self.rows], right.T[self.cols])

    def along(self, u, vt, tangent):
        """Entries of a tangent vector at the observed cells."""
        Up, M, Vp = tangent
        return self.at(np.hstack([u @ M + Up, u]), np.vstack([vt, Vp.T]))

    def residuals_at(self, u, s, vt):
        """Kept for the gradient, which is asked for at the point whose cost was asked for last."""
        if self.point[0] is not u:
            self.point = u, s, vt
            self.residuals = self.at(u * s, vt) - self.values
        return self.residuals

    def look(self, u, s, vt):
        """Once per iteration: is the target reached, or the time over?"""
        self.iterations += 1
        now = time.perf_counter()
        over = self.elapsed > self.seconds
        if np.linalg.norm(self.residuals) < _LOOK * self.norm or over:
            self.reached = self.error(u, s, vt) < self.target
        self.paused += time.perf_counter() - now
        if self.reached or over:
            raise Ended

    def error(self, u, s, vt):
        rows, cols, truth = self.check
        values = np.einsum("ij,ij->i", (u * s)[rows], vt.T[cols])
        return float(np.linalg.norm(values - truth) / np.linalg.norm(truth))

    def problem(self, manifold):
        @pymanopt.function.numpy(manifold)
        def cost(u, s, vt):
            residuals = self.residuals_at(u, s, vt)
            return 0.5 * residuals @ residuals

        @pymanopt.function.numpy(manifold)
        def gradient(u, s, vt):
            residuals = self.residuals_at(u, s, vt)
            self.look(u, s, vt)
            return manifold.projection((u, s, vt), self.sparse(residuals))

        @pymanopt.function.numpy(manifold)
        def hessian(u, s, vt, Up, M, Vp):
            moved = manifold.projection((u, s, vt), self.sparse(self.along(u, vt, (Up, M, Vp))))
            R = self.sparse(self.residuals_at(u, s, vt))
            # the curvature of the set of matrices of this rank
            left, right = R @ Vp / s, R.T @ Up / s
            return _FixedRankTangentVector(
                moved[0] + left - u @ (u.T @ left), moved[1], moved[2] + right - vt.T @ (vt @ right)
            )

        return pymanopt.Problem(manifold, cost, riemannian_gradient=gradient, riemannian_hessian=hessian)


class ExactStep:
    """Line search: first the minimiser along the tangent, then halved steps until the cost falls enough."""

    def __init__(self, completion):
        self.completion = completion

    def __deepcopy__(self, memo):
        return self  # pymanopt copies its line search, and with it the data

    def search(self, objective, manifold, x, d, f0, df0):
        moved = self.completion.along(x[0], x[2], d)
        alpha = -df0 / (moved @ moved)
        for _ in range(20):
            new = manifold.retraction(x, alpha * d)
            if objective(new) <= f0 + 1e-4 * alpha * df0:
                return alpha * manifold.norm(x, d), new
            alpha /= 2
        return 0.0, x


def solve(request):
    """Seconds until the error was reached, or until the optimiser ended without."""
    completion = Completion(np.load(request["file"]), request["seconds"], request["target"])
    manifold = Manifold(*completion.shape, completion.rank)
    start = completion.start()
    patient = {"max_iterations": 10**9, "max_time": 1e9, "max_cost_evaluations": 10**9, "verbosity": 0}
    patient |= {"min_gradient_norm": 0.0, "min_step_size": 1e-300}
    problem = completion.problem(manifold)
    try:
        if request["method"] == "cg":
            optimiser = ConjugateGradient(line_searcher=ExactStep(completion), **patient)
            optimiser.run(problem, initial_point=start)
        else:
            size = float(np.linalg.norm(start.s))
            TrustRegions(**patient).run(problem, initial_point=start, Delta_bar=size, Delta0=size / 8)
    except Ended:
        pass
    seconds = completion.elapsed
    return {
        "seconds": seconds,
        "error": completion.error(*completion.point),
        "reached": completion.reached,
        "iterations": completion.iterations,
    }


def main():
    warnings.simplefilter("ignore")  # pymanopt's, about the end of its precision
    json.dump(solve(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
