"""Problems to experiment with: synthetic ones with known answers, and real tables with missing cells."""

from __future__ import annotations

from .beijing import beijing
from .camera import camera
from .coffee import coffee
from .movielens import MovieLens, movielens_100k
from .synthetic import low_rank, two_by_two

__all__ = ["MovieLens", "beijing", "camera", "coffee", "low_rank", "movielens_100k", "two_by_two"]
