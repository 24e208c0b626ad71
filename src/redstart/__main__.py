"""``python -m redstart`` is ``redstart``."""

from __future__ import annotations

from redstart.cli.main import main

if __name__ == "__main__":
    main()
