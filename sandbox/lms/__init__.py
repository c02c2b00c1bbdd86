"""A stand-in for the partners' learning management systems, one for each slug."""
