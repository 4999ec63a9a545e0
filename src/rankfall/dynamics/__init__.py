"""train(): stochastic gradient descent on deep linear networks, recorded into a Trace.

``optimisers`` and ``schedules`` say what moves the weights, ``record`` what is measured, ``kernels``
and ``passes`` do the steps (``reference`` does them again, literally, in NumPy), ``streams`` draws the
entries, ``engine`` cuts a run into kernel calls, ``training`` is the verb and ``trace`` the result.
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
