"""PyTorch is an extra: where it is not installed, there is nothing of it to test."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["test_torch.py"]
