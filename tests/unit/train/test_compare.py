"""Learners side by side: on the same rows or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from operator import itemgetter
from typing import Any

import pytest
import torch
from kit import loaders, net, points, without_valid

from redstart.data.block import DataBlock
from redstart.data.loaders import DataLoaders
from redstart.data.split import IndexSplitter
from redstart.data.stream import TensorCodec
from redstart.errors import ConfigError, DataError, NoValidationSetError
from redstart.evaluate.baseline import Baseline
from redstart.metrics.cluster import cluster_interval
from redstart.metrics.make import by_name
from redstart.metrics.paired import measured
from redstart.targets.category import CategoryBlock
from redstart.train.callbacks.progress import interval_lines
from redstart.train.compare import compare
from redstart.train.kept import KeptOutputs, groups_of
from redstart.train.learner import Learner
from redstart.train.measure import measure

Make = Callable[..., Learner]


def with_labels(change: Callable[[int, str], str]) -> DataLoaders:
    """The rows of ``loaders()`` with other labels."""
    rows = [(x, change(i, y)) for i, (x, y) in enumerate(points(60))]
    block = DataBlock(
        blocks=(TensorCodec(), CategoryBlock()),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(range(45, 60)),
    )
    return block.dataloaders(rows, bs=16, device="cpu", num_workers=0)


def trained(make: Make, dls: DataLoaders, **options: Any) -> Learner:
    learn = make(dls, lr=0.05, **options)
    learn.fit(3)
    return learn


def raw(learn: Learner) -> tuple[torch.Tensor, torch.Tensor]:
    data = learn.dls.valid.dataset
    x = torch.stack([data.x(i)[0] for i in range(len(data))])
    y = torch.stack([data.y(i)[0] for i in range(len(data))])
    with torch.no_grad():
        return learn.model.eval()(x), y


def test_two_learners_are_compared_by_the_metrics_of_the_first(make: Make) -> None:
    dls = loaders(200)
    a, b = trained(make, dls, metrics=["accuracy", "roc_auc"]), make(dls)
    found = compare(a, b)
    assert [row.metric for row in found.rows] == ["accuracy", "roc_auc"]
    row = found["accuracy"]
    assert row.n_rows == 50
    assert row.model[0] == measured(by_name("accuracy"), *raw(a))
    assert row.other[0] == measured(by_name("accuracy"), *raw(b))
    assert row.verdict == "better"
    assert row.names == ("Sequential (a)", "Sequential (b)")
    assert found.notes == (
        "Sequential (a) and Sequential (b) on the same 50 validation rows (95% intervals)",
        "One run each: how other seeds would do is not in the intervals.",
    )


def test_the_targets_own_metrics_are_the_default_and_others_can_be_named(make: Make) -> None:
    a, b = make(loaders()), make(loaders())
    assert [r.metric for r in compare(a, b).rows] == [m.name for m in a.dls.target.metrics()]
    assert [r.metric for r in compare(a, b, metric="f1").rows] == ["f1"]


def test_loaders_made_twice_of_the_same_data_are_the_same_rows(make: Make) -> None:
    a, b = make(loaders(bs=8)), make(loaders(bs=32))
    assert a.dls.source is not b.dls.source
    assert compare(a, b).n_rows == 15


def test_several_runs_are_compared_as_means(make: Make) -> None:
    dls = loaders(200)
    a = [trained(make, dls) for _ in range(3)]
    b = [make(dls) for _ in range(2)]
    found = compare(a, b, metric="accuracy")
    row = found.rows[0]
    assert row.seeds is not None
    assert [len(each) for each in row.seeds] == [3, 2]
    assert row.model[0] == pytest.approx(sum(row.seeds[0]) / 3)
    assert found.notes[1] == "Means over 3 and 2 runs; intervals count rows and seeds."
    assert found.notes[2].startswith("accuracy of Sequential (a): 3 runs from ")


def test_a_bundle_predicts_the_rows_of_the_learner(make: Make) -> None:
    dls = loaders(200)
    learn = trained(make, dls, metrics="accuracy")
    old = make(dls)
    row = compare(learn, old.bundle()).rows[0]
    assert row.other[0] == measured(by_name("accuracy"), *raw(old))
    assert row.difference == compare(learn, old).rows[0].difference


def test_a_baseline_is_already_measured(make: Make) -> None:
    learn = trained(make, loaders(200), metrics="accuracy")
    out, y = raw(learn)
    wrong = Baseline(name="opposite", said="", out=-out, metrics={}, seconds=0.0, n_train=1)
    found = compare(learn, wrong)
    assert found.rows[0].names == ("Sequential", "opposite")
    assert found.rows[0].other[0] == measured(by_name("accuracy"), -out, y)
    assert len(found.notes) == 1
    with pytest.raises(ConfigError, match="no `dl` beside a baseline"):
        compare(learn, wrong, dl=learn.dls.valid)
    short = replace(wrong, out=out[:5])
    with pytest.raises(DataError, match="5 rows of the baseline, 50 validation rows"):
        compare(learn, short)


def test_other_rows_can_be_named(make: Make) -> None:
    dls = loaders(200)
    found = compare(make(dls), make(dls), dl=dls.train)
    assert found.n_rows == 150
    assert "on the same 150 rows" in found.notes[0]


def test_sealed_rows_stay_sealed(make: Make) -> None:
    dls = loaders(test=10)
    with pytest.raises(ConfigError, match="test rows are sealed"):
        compare(make(dls), make(dls), dl=dls.sealed)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (lambda: loaders(80), "15 rows and 20 rows, 0 of them the same"),
        (lambda: loaders(test=5), "15 rows and 15 rows, 10 of them the same"),
        (
            lambda: with_labels(lambda i, y: "a" if i in (47, 51) else y),
            "the same row numbers with other labels or weights, 2 labels of them",
        ),
        (
            lambda: with_labels(lambda i, y: "a" if i == 1 else y),
            "the same row numbers and labels, of other data",
        ),
    ],
)
def test_other_rows_labels_or_data_are_told(
    make: Make, other: Callable[[], DataLoaders], told: str
) -> None:
    with pytest.raises(DataError, match=f"same rows of the same data.*{told}"):
        compare(make(loaders()), make(other()))


def test_another_target_is_told(make: Make) -> None:
    other = with_labels(lambda i, y: {"a": "cat", "b": "dog"}[y])
    with pytest.raises(DataError, match=r"predict the same thing.*\['a', 'b'\].*\['cat', 'dog'\]"):
        compare(make(loaders()), make(other))


def test_without_validation_rows_nothing_is_compared(make: Make) -> None:
    dls = without_valid()
    with pytest.raises(NoValidationSetError, match="Expected a validation set"):
        compare(make(dls), make(dls))


@pytest.mark.parametrize("b", [[], 3, ["accuracy"]])
def test_what_is_no_model_is_told(make: Make, b: Any) -> None:
    with pytest.raises(ConfigError, match="Expected `b` to be a learner"):
        compare(make(loaders()), b)


def test_a_bundle_cannot_come_first(make: Make) -> None:
    learn = make(loaders())
    with pytest.raises(ConfigError, match="Expected `a` to be a learner"):
        compare(learn.bundle(), learn)  # type: ignore[arg-type]


def grouped(n: int = 200) -> DataLoaders:
    return loaders(n).with_groups([i // 10 for i in range(n)])


def test_groups_of_the_loaders_are_counted(make: Make) -> None:
    dls = grouped()
    row = compare(trained(make, dls), make(dls), metric="accuracy").rows[0]
    assert row.n_groups == 5
    assert "50 rows of 5 groups" in row.said()


def test_intervals_of_a_fit_and_of_validate_count_groups(make: Make) -> None:
    dls = grouped()
    learn = trained(make, dls, metrics=["accuracy", "f1"])
    out, y = raw(learn)
    groups = torch.arange(150, 200) // 10
    expected = cluster_interval(by_name("f1"), out, y, groups=groups)
    assert learn.recorder.intervals["f1"] == pytest.approx(expected)
    assert learn.recorder.n_groups == 5
    found = measure(learn, dls.valid)
    assert found.n_groups == 5
    assert found.metrics["f1"][1] == pytest.approx(expected)
    assert found.metrics["f1"][0] == measured(by_name("f1"), out, y)


def test_without_groups_nothing_is_kept(make: Make) -> None:
    learn = trained(make, loaders(), metrics="accuracy")
    assert learn.recorder.n_groups == 0
    assert measure(learn, learn.dls.valid).n_groups == 0


def test_the_heading_says_what_intervals_count() -> None:
    rows = [("accuracy", 0.5, (0.4, 0.6))]
    assert interval_lines(rows, 50, 12)[0] == "On 50 rows of 12 groups (95% interval over groups):"
    assert "over few groups" in interval_lines(rows, 50, 5)[0]
    assert interval_lines(rows, 50)[0] == "On 50 rows (95% interval):"


def test_groups_are_looked_up_by_row_number() -> None:
    groups = torch.tensor([4, 4, -1, 7, -1, 7])
    assert groups_of(torch.tensor([5, 0, 2, 1, 4]), groups).tolist() == [1, 0, 2, 0, 3]


def test_outputs_are_copied_and_widened() -> None:
    dls = loaders()
    batch = next(iter(dls.valid.batches(epoch=0)))
    kept = KeptOutputs()
    out = torch.ones(len(batch), 2, dtype=torch.bfloat16)
    kept.add(batch, out)
    out.zero_()
    kept.add(batch, {"no": "tensor"})
    index, found, y = kept.tensors()
    assert found.dtype == torch.float32
    assert found.min() == 1
    assert len(kept) == len(batch) == len(index) == len(y)


def test_models_of_one_name_are_told_apart(make: Make) -> None:
    dls = loaders()
    other = make(dls, model=torch.nn.Sequential(net()), splitter=lambda m: [list(m.parameters())])
    assert re.match(r"Sequential \(a\) and Sequential \(b\)", compare(make(dls), other).notes[0])
