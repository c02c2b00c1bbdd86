"""The back office of partners. Importing the modules registers their pages."""

from . import certificates, inbox, nudges, providers, sequences, steps, story

__all__ = ["certificates", "inbox", "nudges", "providers", "sequences", "steps", "story"]
