"""``python -m tsgan``: the same as the command ``tsgan``."""

from tsgan.cli.main import main

if __name__ == "__main__":
    main()
