"""The back office for operators. Importing the modules registers their pages."""

from . import backups, doctor

__all__ = ["backups", "doctor"]
