"""The back office of events. Importing the modules registers their pages."""

from . import deliveries, endpoints, outbox, story

__all__ = ["deliveries", "endpoints", "outbox", "story"]
