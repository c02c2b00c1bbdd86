"""Tells integrators about events as they happen, at the URLs they gave us."""
