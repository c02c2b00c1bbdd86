"""Seats that lie idle at their holder: found, asked about, kept, or taken back and passed on."""
