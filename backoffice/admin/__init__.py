"""The back office of accounts. Importing the modules registers their pages."""

from . import exports, invitations, keys, merging, people, staff, story, tasks

__all__ = ["exports", "invitations", "keys", "merging", "people", "staff", "story", "tasks"]
