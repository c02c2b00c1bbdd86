"""The reviewers' desk: who waits, one case at a time."""
