"""What every page of the back office is made of: scoping by workspace, actions that ask first, and how things look."""
