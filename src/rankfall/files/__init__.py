"""Everything that touches the disk: whole-or-nothing writes, archives, tables."""

from __future__ import annotations

from .archive import archive_kind, load_archive, save_archive
from .atomic import atomic_path, check_writable
from .table import Table
from .tables import check_table_path, read_table, whole_number_columns, write_table, written_in_parts
from .tables_draws import check_draws_table, write_draws
from .tables_triplets import Cells, Roles, read_cells, write_cells

__all__ = [
    "Cells",
    "Roles",
    "Table",
    "archive_kind",
    "atomic_path",
    "check_draws_table",
    "check_table_path",
    "check_writable",
    "load_archive",
    "read_cells",
    "read_table",
    "save_archive",
    "whole_number_columns",
    "write_cells",
    "write_draws",
    "write_table",
    "written_in_parts",
]
