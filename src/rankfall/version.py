"""The version of rankfall."""

__version__ = "0.1.0"
