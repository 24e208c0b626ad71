"""Schedules are continuous, end where they say, and stay between their ends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.train.schedule import (
    Combined,
    Constant,
    Cosine,
    Exponential,
    FlatCos,
    Linear,
    OneCycle,
    Schedule,
)

positive = st.floats(1e-6, 10.0)
share = st.floats(0.05, 0.95)
schedules = st.one_of(
    st.builds(Constant, positive),
    st.builds(Linear, positive, positive),
    st.builds(Cosine, positive, positive),
    st.builds(Exponential, positive, positive),
    st.builds(OneCycle, positive, share),
    st.builds(FlatCos, positive, share),
)


@settings(deadline=None, max_examples=60)
@given(schedules, st.floats(0, 1))
def test_values_move_little_when_progress_does(schedule: Schedule, progress: float) -> None:
    near = min(1.0, progress + 1e-9)
    scale = max(schedule(0.0), schedule(progress), schedule(1.0), 1e-6)
    assert schedule(near) == pytest.approx(schedule(progress), abs=1e-5 * scale)


@settings(deadline=None, max_examples=60)
@given(positive, share)
def test_one_cycle_rises_to_the_top_and_falls(top: float, pct: float) -> None:
    cycle = OneCycle(top, pct)
    assert cycle(pct) == pytest.approx(top)
    assert cycle(0.0) == pytest.approx(top / 25)
    assert cycle(1.0) == pytest.approx(top / 1e5)
    assert all(cycle(i / 50) <= top * (1 + 1e-9) for i in range(51))


@settings(deadline=None, max_examples=60)
@given(st.tuples(positive, positive, positive), share)
def test_combined_passes_through_both(values: tuple[float, float, float], at: float) -> None:
    a, b, c = values
    both = Combined(Linear(a, b), Linear(b, c), at)
    assert (both(0.0), both(1.0)) == (a, pytest.approx(c))
    assert both(at) == pytest.approx(b)
