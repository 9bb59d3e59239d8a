"""One folder per network. Gates know nothing of each other; `catalog` names them all."""
