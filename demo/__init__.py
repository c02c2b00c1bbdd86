"""Demo data: two fictional organizations with half a year of history, created through the use cases."""
