"""Stand-ins for the vendors this product talks to. A separate process, never part of production."""
