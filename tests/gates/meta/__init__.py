"""What the Meta gates share."""
