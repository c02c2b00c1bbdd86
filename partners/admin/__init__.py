"""The back office of partners. Importing the modules registers their pages."""

from . import certificates

__all__ = ["certificates"]
