"""A family's home page and the page of one enrollment, composed of what the apps know about them."""
