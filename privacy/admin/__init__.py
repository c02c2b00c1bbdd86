"""The back office of privacy. Importing the modules registers their pages."""

from . import erasures, retention

__all__ = ["erasures", "retention"]
