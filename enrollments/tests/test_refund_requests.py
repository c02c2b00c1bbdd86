"""A family requests a refund for something that is over, and unconfirmed quotes are deleted."""
