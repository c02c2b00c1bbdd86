"""Stand-ins for integrators who receive events: each one checks the signatures, and shows what arrived."""
