"""Idle seats: found, asked about, and then kept, or taken back and passed on."""
