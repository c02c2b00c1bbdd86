"""A stand-in for Fakturownia: the accounts that issue the workspaces' invoices."""
