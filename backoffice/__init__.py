"""What every back-office page is made of: scoping by workspace, actions that ask first, and how things look."""
