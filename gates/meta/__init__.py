"""What the gates on Meta's Graph API share: signatures, calls, error codes. Knows none of them."""
