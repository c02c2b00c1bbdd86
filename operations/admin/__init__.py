"""The back office of those who keep things running. Importing the modules registers their pages."""

from . import backups, doctor

__all__ = ["backups", "doctor"]
