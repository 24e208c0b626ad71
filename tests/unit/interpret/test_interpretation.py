from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from redstart.data.loaders import DataLoaders
from redstart.data.stream import StreamLoader
from redstart.errors import ConfigError, DataError, NoValidationSetError
from redstart.interpret.interpretation import Interpretation, TopLosses
from redstart.show.drawing import Drawing
from redstart.targets.category import CategoryTarget
from redstart.train.learner import Learner
from redstart.train.predict import Predictions
from redstart.vision.data import ImageDataLoaders
from redstart.vision.learner import vision_learner


def texts(drawing: Drawing) -> str:
    return "\n".join(text.get_text() for text in drawing.figure.texts)


def by_hand(losses: list[float]) -> Interpretation:
    loader = SimpleNamespace(target=CategoryTarget(("no", "yes")), seed=0)
    n = len(losses)
    return Interpretation(
        Predictions(
            loader=loader,
            index=torch.arange(n),
            acts=torch.full((n, 2), 0.5),
            y=(torch.zeros(n, dtype=torch.int64),),
            losses=torch.tensor(losses),
        )
    )


def test_the_worst_rows_are_named_by_file(setup):
    top = Interpretation.from_learner(setup.learn).top_losses(3)
    assert [Path(row.item).relative_to(setup.path).as_posix() for row in top.rows] == [
        "valid/red/c.png",
        "valid/green/f.png",
        "valid/blue/h.png",
    ]
    assert [(row.truth, row.pred) for row in top.rows] == [
        ("red", "green"),
        ("green", "blue"),
        ("blue", "green"),
    ]


def test_losses_and_probabilities_are_those_of_the_row(setup):
    rows = Interpretation.from_learner(setup.learn).top_losses().rows
    by_name = {Path(row.item).name: row for row in rows}
    out = torch.tensor([[0.0, 250 / 255, 0.0]]) * 10  # blue, green, red of c.png
    assert by_name["c.png"].loss == pytest.approx(float(F.cross_entropy(out, torch.tensor([2]))))
    assert by_name["c.png"].probability == pytest.approx(float(out.softmax(1).max()))


def test_every_row_leads_back_to_its_item(setup):
    learn = setup.learn
    rows = Interpretation.from_learner(learn).top_losses().rows
    assert len(rows) == 8
    for row in rows:
        assert str(learn.dls.items[row.index]) == row.item
        assert Path(row.item).parent.name == row.truth
        assert learn.dls.valid.dataset.rows[row.position] == row.index


def test_a_shuffled_loader_keeps_files_beside_their_predictions(setup):
    loader = setup.learn.dls.valid.replace(shuffle=True, bs=2)
    rows = Interpretation.from_learner(setup.learn, loader).top_losses().rows
    assert all(Path(row.item).parent.name == row.truth for row in rows)
    assert [Path(row.item).name for row in rows[:3]] == ["c.png", "f.png", "h.png"]


def test_training_rows_can_be_looked_at(setup):
    rows = Interpretation.from_learner(setup.learn, setup.learn.dls.train).top_losses().rows
    assert sorted(row.truth for row in rows) == ["blue", "green", "red"]
    assert all("train" in Path(row.item).parts for row in rows)


def test_it_unpacks_as_losses_and_positions(setup):
    interp = Interpretation.from_learner(setup.learn)
    losses, positions = interp.top_losses(4)
    assert losses.tolist() == sorted(interp.losses.tolist(), reverse=True)[:4]
    assert interp.losses[positions].tolist() == losses.tolist()


def test_the_best_come_first_on_request(setup):
    interp = Interpretation.from_learner(setup.learn)
    assert interp.top_losses(1, largest=False).losses.item() == interp.losses.min().item()


def test_equal_losses_keep_their_order_and_nan_is_the_worst():
    interp = by_hand([1.0, float("nan"), 2.0, 1.0, 2.0])
    assert interp.top_losses().positions.tolist() == [1, 2, 4, 0, 3]
    assert interp.top_losses(largest=False).positions.tolist() == [0, 3, 2, 4, 1]
    assert "not a number" in repr(interp)


def test_nothing_is_predicted_twice(setup):
    interp = Interpretation.from_learner(setup.learn)
    assert setup.model.rows == 8
    assert interp.top_losses().rows
    interp.plot_top_losses(4)
    interp.show_results(max_n=3)
    interp._repr_html_()
    assert setup.model.rows == 8


def test_only_drawn_rows_are_read_again(setup, monkeypatch):
    setup.learn.dls = setup.learn.dls._map(lambda data: replace(data, cache=None))
    interp = Interpretation.from_learner(setup.learn)
    read = []
    codec = type(setup.learn.dls.codec)
    load = codec.load
    monkeypatch.setattr(codec, "load", lambda self, i: read.append(i) or load(self, i))
    assert interp.top_losses().rows
    assert read == []
    interp.plot_top_losses(2)
    assert sorted(Path(item).name for item in read) == ["c.png", "f.png"]


def test_the_picture_names_file_truth_prediction_loss_and_probability(setup):
    interp = Interpretation.from_learner(setup.learn)
    drawing = interp.plot_top_losses(2, nrows=1)
    said = texts(drawing)
    row = interp.top_losses(1).rows[0]
    for words in ("c.png", "f.png", "✗ green", "is red", f"loss {row.loss:.3g}", ">99% sure"):
        assert words in said
    assert len(drawing.axes) == 2
    pixels = drawing.axes[0].images[0].get_array()
    assert tuple(pixels[0, 0]) == (0, 250, 0)


def test_smallest_losses_are_headed_as_such(setup):
    said = texts(Interpretation.from_learner(setup.learn).plot_top_losses(1, largest=False))
    assert "Smallest losses of 8 rows" in said
    assert "✓" in said


def test_show_results_draws_the_rows_asked_for(setup):
    interp = Interpretation.from_learner(setup.learn)
    _, positions = interp.top_losses(2)
    said = texts(interp.show_results(positions))
    assert "c.png" in said and "f.png" in said and "a.png" not in said
    assert len(interp.show_results(max_n=5).axes) == 5


def test_the_file_is_named_where_the_item_is_more_than_the_file(setup):
    files = sorted(setup.path.glob("valid/*/*.png"))
    labels = [file.parent.name for file in files]
    dls = ImageDataLoaders.from_lists(setup.path, files, labels, num_workers=0, device="cpu")
    interp = Interpretation.from_learner(vision_learner(dls, setup.model, precision="float32"))
    row = interp.top_losses(1).rows[0]
    assert Path(row.item) in files
    assert interp.cards([row.position])[0].item == row.item
    assert texts(interp.plot_top_losses(1)).endswith(f"\n{Path(row.item).name}")


def test_summaries(setup):
    interp = Interpretation.from_learner(setup.learn)
    assert repr(interp) == f"Interpretation(8 rows, mean loss {interp.mean_loss:.4g})"
    html = interp._repr_html_()
    assert "c.png" in html and "<script" not in html
    top = interp.top_losses(3)
    assert repr(top).startswith("TopLosses(3 rows, losses from ")
    assert top._repr_html_().count("<tr>") == 4
    assert "&gt;99%" in top._repr_html_()
    assert "more" not in top._repr_html_()


def test_a_long_list_is_summed_up():
    html = by_hand([float(i) for i in range(25)]).top_losses()._repr_html_()
    assert html.count("<tr>") == 11
    assert "and 15 more" in html


def test_an_empty_choice_has_a_name():
    interp = by_hand([1.0])
    empty = TopLosses(interp.predictions, interp.losses[:0], torch.zeros(0, dtype=torch.int64))
    assert repr(empty) == "TopLosses(0 rows)"
    assert empty.rows == []


def test_sealed_rows_stay_sealed(setup):
    dls = setup.learn.dls
    with pytest.raises(ConfigError, match="2 test rows in `dl`"):
        Interpretation.from_learner(setup.learn, dls.sealed)
    mixed = dls.valid.replace(dataset=dls.sealed.dataset.rows_at([1]))
    with pytest.raises(ConfigError, match=r"sealed until `learn.test\(\)`.*1 test rows"):
        Interpretation.from_learner(setup.learn, mixed)
    assert setup.model.rows == 0


def test_without_validation_rows_there_is_nothing_to_look_at(setup):
    learn = setup.learn
    learn.dls = DataLoaders(learn.dls.train, None)
    with pytest.raises(NoValidationSetError, match="Expected a validation set"):
        Interpretation.from_learner(learn)


def test_unlabelled_rows_are_refused(setup):
    loader = setup.learn.dls.test_dl([setup.path / "valid/red/a.png"])
    with pytest.raises(DataError, match=r"rows with labels.*1 rows without a loss"):
        Interpretation.from_learner(setup.learn, loader)


@pytest.mark.parametrize("k", [0, -1])
def test_k_is_positive(k):
    with pytest.raises(ConfigError, match=f"`k` of 1 or more. Got: k={k}"):
        by_hand([1.0]).top_losses(k)


@pytest.mark.parametrize("position", [8, -1])
def test_positions_are_those_of_the_predictions(setup, position):
    interp = Interpretation.from_learner(setup.learn)
    with pytest.raises(ConfigError, match=f"positions from 0 to 7. Got: position={position}"):
        interp.show_results([position])


def plain_learner() -> Learner:
    rows = [(torch.eye(2)[:, :1] * 3, torch.tensor([0, 1])), (torch.ones(1, 1), torch.tensor([1]))]
    model = torch.nn.Linear(1, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0], [1.0]]))
        model.bias.zero_()
    return Learner(DataLoaders(rows, rows), model, loss_func=F.cross_entropy, precision="float32")


def test_plain_batches_are_ranked_by_position():
    learn = plain_learner()
    interp = Interpretation.from_learner(learn)
    losses, positions = interp.top_losses()
    assert positions.tolist() == [0, 1, 2]
    assert losses[0].item() == pytest.approx(3.0486, abs=1e-3)
    assert interp.top_losses(1).rows[0].item == ""
    assert interp.top_losses(1).rows[0].probability is None
    same = Interpretation.from_learner(learn, list(learn.dls.valid.pairs))
    assert torch.equal(same.losses, interp.losses)


def test_plain_batches_cannot_be_drawn():
    with pytest.raises(ConfigError, match=r"loader=StreamLoader.*cannot be read again"):
        Interpretation.from_learner(plain_learner()).plot_top_losses()


def test_sealed_plain_batches_stay_sealed():
    learn = plain_learner()
    sealed = StreamLoader(learn.dls.valid.pairs)
    learn.dls = DataLoaders(learn.dls.train, learn.dls.valid, sealed)
    with pytest.raises(ConfigError, match="test rows are sealed"):
        Interpretation.from_learner(learn, sealed)
