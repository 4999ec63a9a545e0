"""Neurons of L2-regularised networks with homogeneous activations: which are alive, and how many are needed.

A :class:`HomogeneousNetwork` (or a list of weights, or a PyTorch Sequential) comes in. :func:`live_neurons`,
:func:`rays` and :func:`neuron_factors` say what SGD with weight decay can and cannot do to its neurons;
:func:`merge_rays` and :func:`prune` remove those that are not needed; :func:`is_not_local_minimum` certifies
that a point is no minimum; :func:`covariance_cost` is its price as a function of activations.
"""

from __future__ import annotations

from .activations import Activation
from .conversion import from_torch, to_torch
from .covariances import CovarianceCost, covariance_cost, layer_cost
from .factors import NeuronFactors, certify_dead, neuron_factors
from .live import Rays, live_neurons, rays
from .local_minimum import MinimumTest, is_not_local_minimum
from .merge import merge_rays
from .network import HomogeneousNetwork
from .pruning import Pruned, PrunedLayer, prune
from .signals import neuron_step_matrices, sgd_step

__all__ = [
    "Activation",
    "CovarianceCost",
    "HomogeneousNetwork",
    "MinimumTest",
    "NeuronFactors",
    "Pruned",
    "PrunedLayer",
    "Rays",
    "certify_dead",
    "covariance_cost",
    "from_torch",
    "is_not_local_minimum",
    "layer_cost",
    "live_neurons",
    "merge_rays",
    "neuron_factors",
    "neuron_step_matrices",
    "prune",
    "rays",
    "sgd_step",
    "to_torch",
]
