"""The question of order: do rows, or columns, that follow each other resemble each other?"""

from .axis_order import AxisOrder
from .orders import Orders
from .search import search

__all__ = ["AxisOrder", "Orders", "search"]
