"""The command, run in this process."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from redstart.cli import main as cli


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run the command: exit code, output, errors."""
    # The command sets these where nobody did.
    for name in ("THP_MEM_ALLOC_ENABLE", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, os.environ.get(name, "1"))

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(arg) for arg in args])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return call
