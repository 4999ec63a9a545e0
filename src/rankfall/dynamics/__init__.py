"""train(): stochastic gradient descent on deep linear networks, recorded into a Trace.

``optimisers`` and ``schedules`` define the steps, ``record`` what is measured. ``kernels`` makes the steps
(``kernels.reference`` repeats them literally in NumPy), ``engine`` divides a run into kernel calls.
``training`` has the verb, ``trace`` the result, ``archive`` its file format.
"""

from .optimisers import GD, SGD
from .record import Record
from .schedules import Constant, Geometric, Linear, Piecewise
from .trace import Trace
from .training import Interrupted, Progress, replay, train

__all__ = [
    "GD",
    "SGD",
    "Constant",
    "Geometric",
    "Interrupted",
    "Linear",
    "Piecewise",
    "Progress",
    "Record",
    "Trace",
    "replay",
    "train",
]
