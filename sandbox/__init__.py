"""Stand-ins for the vendors this product talks to. A process of its own, never part of production."""
