"""A family asks for a refund of what is over, and quotes that nobody confirmed go."""
