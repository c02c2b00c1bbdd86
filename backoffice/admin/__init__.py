"""The back office of accounts. Importing the modules registers their pages."""

from . import keys, people, staff, tasks

__all__ = ["keys", "people", "staff", "tasks"]
