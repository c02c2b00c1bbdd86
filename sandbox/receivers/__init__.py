"""Stand-ins for integrators who are told of events: each checks the signatures, and shows what arrived."""
