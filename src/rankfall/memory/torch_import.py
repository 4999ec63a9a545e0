"""PyTorch, where it is installed."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ..errors import InputError


def import_torch() -> ModuleType:
    """The module torch.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return import_module("torch")
    except ImportError:
        raise InputError(
            'Watching a PyTorch network needs PyTorch, which is not installed: pip install "rankfall[torch]".'
        ) from None
