"""Postal addresses: the parts they are made of, and how they are shown."""

from collections.abc import Mapping

# In the order in which an address is written.
PARTS = ("streetOne", "streetTwo", "city", "state", "postalCode", "country")


def in_one_line(address: Mapping[str, str]) -> str:
    """The address as people write it in one line; empty if none is known."""
    return ", ".join(address[part] for part in PARTS if address.get(part))
