"""Rank memory: how many directions the weights of a network can hold that SGD with weight decay trains.

Weight decay forgets, and a step brings in no more directions than its batch has samples: what a weight matrix
holds above a tolerance, the last steps have brought. :func:`predict` says from settings how many directions
that are at most, :func:`certified_rank` from the log of a run, and :class:`RankMemory` watches any PyTorch
network while it is trained. Everything but RankMemory works without PyTorch, and importing this package never
imports it.
"""

from __future__ import annotations

from .certified import CertifiedRank, certified_rank
from .momentum import certified_rank_momentum, decay_rate, transition
from .norm_ball import NormBall, cross_entropy_ball, cross_entropy_constant, norm_ball
from .predict import Prediction, predict
from .rank_memory import RankMemory
from .spectral import FactorMemory, spectral_bound
from .sum_bound import sum_bound

__all__ = [
    "CertifiedRank",
    "FactorMemory",
    "NormBall",
    "Prediction",
    "RankMemory",
    "certified_rank",
    "certified_rank_momentum",
    "cross_entropy_ball",
    "cross_entropy_constant",
    "decay_rate",
    "norm_ball",
    "predict",
    "spectral_bound",
    "sum_bound",
    "transition",
]
