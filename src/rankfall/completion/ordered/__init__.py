"""The question of order: do rows, or columns, that follow each other resemble each other?"""

from .axis_order import AxisOrder
from .search import Orders, search

__all__ = ["AxisOrder", "Orders", "search"]
