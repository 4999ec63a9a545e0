"""How the noise variance of a cell depends on its row and column."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class NoiseModel:
    """The noise variance of a cell of weight w: ``noise row_scale_i col_scale_j / w``.

    Attributes
    ----------
    prior_cells : float
        Cells of scale 1 by which the noise scale of a row or column is drawn towards 1; infinite where all
        scales are 1.
    """

    prior_cells: float = inf

    @property
    def is_equal(self) -> bool:
        """Whether the noise is the same in all rows and columns."""
        return self.prior_cells == inf


EQUAL = NoiseModel()
# those that are compared; the weights of the priors are far apart, and finer steps make no difference
NOISE_MODELS = (EQUAL, NoiseModel(200.0), NoiseModel(20.0))
# what a fit that is the mean over all of them says of its noise
AVERAGED = "averaged over noise models"
