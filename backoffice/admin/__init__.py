"""The back office of accounts. Importing the modules registers their pages."""

from . import audit, exports, invitations, keys, merging, names, people, staff, story, tasks

__all__ = ["audit", "exports", "invitations", "keys", "merging", "names", "people", "staff", "story", "tasks"]
