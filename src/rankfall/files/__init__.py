"""Everything that touches the disk: whole-or-nothing writes, archives, tables."""

from __future__ import annotations

from .archive import load_archive, save_archive
from .atomic import atomic_path, check_writable

__all__ = ["atomic_path", "check_writable", "load_archive", "save_archive"]
