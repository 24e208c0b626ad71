from __future__ import annotations

import pytest

from redstart import errors
from redstart.errors import RedstartError, problem


def test_a_problem_says_what_was_expected_what_came_and_what_to_do() -> None:
    said = problem("Expected a folder", "path='x'", "Make it first.")
    assert said == "Expected a folder. Got: path='x'. Make it first."


@pytest.mark.parametrize(
    ("name", "built_in"),
    [
        ("DataError", ValueError),
        ("ConfigError", ValueError),
        ("BundleError", RuntimeError),
        ("WeightsError", OSError),
        ("TrainError", RuntimeError),
        ("NoValidationSetError", errors.TrainError),
        ("NonFiniteLossError", errors.TrainError),
    ],
)
def test_every_error_is_ours_and_one_that_python_knows(name: str, built_in: type) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, RedstartError) and issubclass(kind, built_in)
    assert str(kind("what happened")) == "what happened"


def test_all_errors_are_tested_here() -> None:
    kinds = {n for n in errors.__all__ if n.endswith("Error")} - {"RedstartError"}
    (mark,) = test_every_error_is_ours_and_one_that_python_knows.pytestmark  # type: ignore[attr-defined]
    assert {row[0] for row in mark.args[1]} == kinds
