"""What `doctor` looks at, one kind of thing a file. Each look gives findings, raises nothing and writes nothing."""
