"""The back office of those who keep things running. Importing the modules registers their pages."""

from . import doctor

__all__ = ["doctor"]
