"""The question of order: do rows, or columns, that follow each other resemble each other?"""

from .axis_order import AxisOrder
from .orders import Orders
from .question import OrderQuestion

__all__ = ["AxisOrder", "OrderQuestion", "Orders"]
