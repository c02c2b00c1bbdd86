"""What the back office uses of django-unfold, which has no types: each class as the class of Django that it is."""
