"""The product on a stage: fake providers on loopback, the real app between them, a page to look at."""
