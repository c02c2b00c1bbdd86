"""The back office of privacy. Importing the modules registers their pages."""

from . import erasures

__all__ = ["erasures"]
