"""The central inbox: the nouns and the rules. Imports nothing but the standard library."""
