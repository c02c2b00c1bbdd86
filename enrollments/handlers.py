"""Reactions to what billing says, inside its transaction; the rows are locked already (see `ready()`)."""
