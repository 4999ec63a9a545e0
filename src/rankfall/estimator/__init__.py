"""The scikit-learn face of completion: an imputer for tables, a regressor on their cells."""

from .imputer import LowRankImputer
from .regressor import LowRankRegressor

__all__ = ["LowRankImputer", "LowRankRegressor"]
