"""Tensors of PyTorch as arrays, without an import of PyTorch."""

from __future__ import annotations

from typing import Any

from ..errors import InputError


def plain(name: str, value: Any) -> Any:
    """A tensor as an array, from whatever device and of whatever type; anything else as it is.

    Raises
    ------
    InputError
        If the tensor has no data, as on the device "meta".
    """
    if not hasattr(value, "detach"):
        return value
    try:
        found = value.detach().cpu()
    except NotImplementedError:
        raise InputError(f"{name} has no data, since it is on the device {str(value.device)!r}.") from None
    # NumPy has no bfloat16
    return (found.double() if found.is_floating_point() else found).numpy()
