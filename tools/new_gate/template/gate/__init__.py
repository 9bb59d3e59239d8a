"""The Newgate gate."""
