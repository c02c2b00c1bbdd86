"""A stand-in for Stripe's API, hosted payment page, and webhooks."""
