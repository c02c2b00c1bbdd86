"""A stand-in for the learning management systems of partners, one for each slug."""
