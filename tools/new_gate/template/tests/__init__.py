"""Tests of the Newgate gate."""
