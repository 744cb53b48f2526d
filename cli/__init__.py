"""The command ``tsgan``: each command parses its options, makes one library call and prints the result."""
