"""The commands of the command line, one a file; each imports only what it needs."""
