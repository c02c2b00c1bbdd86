"""The back office of accounts. Importing the modules registers their pages."""

from . import audit, consents, exports, invitations, keys, merging, names, people, staff, story, tasks

__all__ = [
    "audit",
    "consents",
    "exports",
    "invitations",
    "keys",
    "merging",
    "names",
    "people",
    "staff",
    "story",
    "tasks",
]
