"""How dates and times are written, on pages and in the back office."""
