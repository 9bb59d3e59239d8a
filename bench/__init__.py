"""Measurements against the goals of the project: `python -m bench`. Nothing here is part of the product."""
