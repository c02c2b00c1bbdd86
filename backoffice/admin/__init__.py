"""The back office of accounts. Importing the modules registers their pages."""

from . import invitations, keys, merging, people, staff, tasks

__all__ = ["invitations", "keys", "merging", "people", "staff", "tasks"]
