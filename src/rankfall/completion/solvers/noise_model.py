"""How the noise of a cell is distributed, and depends on its row and column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf


@dataclass(frozen=True)
class NoiseModel:
    """The noise variance of a cell of weight w: ``noise row_scale_i col_scale_j / w``, and its tails.

    Attributes
    ----------
    prior_cells : float
        Cells of scale 1 by which the noise scale of a row or column is drawn towards 1; infinite where all
        scales are 1.
    dof : float
        Degrees of freedom of Student's t (:mod:`.heavy_tails`); infinite for normal noise.
    """

    prior_cells: float = inf
    dof: float = inf

    @property
    def is_equal(self) -> bool:
        """Whether the noise is the same in all rows and columns."""
        return self.prior_cells == inf

    @property
    def is_heavy(self) -> bool:
        """Whether the noise has heavier tails than the normal distribution."""
        return self.dof < inf

    def with_tails_of(self, other: NoiseModel) -> NoiseModel:
        """The same noise scales with the tails of another model."""
        return replace(self, dof=other.dof)


EQUAL = NoiseModel()
# those that are compared; the weights of the priors are far apart, and finer steps make no difference
NOISE_MODELS = (EQUAL, NoiseModel(200.0), NoiseModel(20.0))
# tails that noise has where normal ones do not fit
HEAVY = NoiseModel(dof=4.0)


def with_tails_of(other: NoiseModel) -> tuple[NoiseModel, ...]:
    """The noise models that are compared, with the tails of one of them."""
    return tuple(model.with_tails_of(other) for model in NOISE_MODELS)


# what a fit that is the mean over all of them says of its noise
AVERAGED = "averaged over noise models"
# and what one with heavy tails says beside
HEAVY_IN_WORDS = ", with heavy tails"
