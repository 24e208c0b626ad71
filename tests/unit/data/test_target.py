from __future__ import annotations

import torch

from redstart.data.stream import TensorTarget
from redstart.data.target import Prediction
from redstart.rng import generator
from redstart.targets.category import CategoryTarget


def test_a_prediction_unpacks_as_name_index_and_probabilities() -> None:
    probs = torch.tensor([0.2, 0.8])
    name, index, p = Prediction("dog", (torch.tensor(1),), probs)
    assert (name, int(index)) == ("dog", 1) and p is probs
    both = (torch.tensor(1), torch.tensor(2))
    assert list(Prediction("dog", both, probs))[1] is both


def test_predictions_come_from_raw_outputs() -> None:
    target = CategoryTarget(("cat", "dog"))
    out = torch.tensor([[2.0, 0.0], [0.0, 3.0]], dtype=torch.bfloat16)
    first, second = target.predict(out)
    assert (first.decoded, second.decoded) == ("cat", "dog")
    assert first.probs.dtype == torch.float32
    assert torch.allclose(first.probs.sum(), torch.tensor(1.0))


def test_what_a_target_is_left_to_do_by_default() -> None:
    target = TensorTarget()
    row = target.encode_train(torch.ones(2), generator(0))
    assert torch.equal(target.collate([row, row])[0], torch.ones(2, 2))
    assert target.metrics() == () and target.vocabulary() == ()
