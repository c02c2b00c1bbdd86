"""A stand-in for Fakturownia: the accounts in which workspaces have their invoices issued."""
