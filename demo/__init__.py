"""Demo data: two made-up organizations and half a year of what happened in them, told through the use cases."""
