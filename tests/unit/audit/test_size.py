"""What a validation set of this size can show."""

from __future__ import annotations

import numpy as np
from made_up_evidence import table

from redstart.audit.size import size


def test_few_validation_rows_are_a_warning() -> None:
    (found,) = size(table(np.arange(300) % 2))
    assert found.severity == "warning" and "60 validation rows" in found.said
    assert "±7.7 points" in found.said and "valid_pct" in found.mend
    (found,) = size(table(np.arange(3000) % 2))
    assert found.severity == "note" and "about 6,300 rows" in found.said
    assert "disagree on 8 rows in 100" in found.said, "what is assumed"


def test_enough_rows_are_enough() -> None:
    (found,) = size(table(np.arange(60_000) % 2))
    assert found.mend == "That is enough." and found.evidence["rows"] == 12_000


def test_numbers_are_told_in_shares_of_the_rmse() -> None:
    (found,) = size(table(np.arange(2000.0), kind="numbers"))
    assert "RMSE is known to about ±6.9% of itself" in found.said
    assert "correlate at 0.9" in found.said, "what is assumed"


def test_nothing_is_said_without_validation_rows_or_figures() -> None:
    assert size(table(np.arange(10) % 2, valid=())) == []
    assert size(table(np.zeros(0), kind="other")) == []
