"""Wires everything together and speaks to the owner."""
