"""Telling integrators of events as they happen, at addresses they gave us."""
