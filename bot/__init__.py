"""Wires everything together and speaks to the owner."""

__version__ = "0.1.0"
