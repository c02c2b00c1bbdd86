"""The back office of partners. Importing the modules registers their pages."""

from . import certificates, inbox, providers, sequences, steps

__all__ = ["certificates", "inbox", "providers", "sequences", "steps"]
