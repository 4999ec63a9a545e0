"""Data frames of any kind and triplets with labels: read into numbers, and written back as they came."""

from .layout import FrameLayout
from .reading import is_frame, read_frame
from .triplets import read_triplets
from .writing import write_frame

__all__ = ["FrameLayout", "is_frame", "read_frame", "read_triplets", "write_frame"]
