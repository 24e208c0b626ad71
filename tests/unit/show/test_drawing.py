from __future__ import annotations

import io
import subprocess
import sys
import types
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import matplotlib
import pytest
from PIL import Image

from redstart.errors import ConfigError
from redstart.show.drawing import Drawing, display, in_notebook
from redstart.show.plots import plot_losses


@pytest.fixture
def drawing() -> Drawing:
    return plot_losses([0, 1, 2], [3.0, 2.0, 1.0], [2], [1.5], title="Löss & <more>")


@pytest.mark.parametrize(
    "suffix, start", [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_saves_by_suffix_and_makes_the_folder(
    drawing: Drawing, tmp_path: Path, suffix: str, start: bytes
) -> None:
    path = drawing.save(tmp_path / "new" / f"picture{suffix}")
    assert path.read_bytes().startswith(start)
    again = drawing.savefig(str(tmp_path / f"again{suffix}"))
    assert again.read_bytes() == path.read_bytes(), "the same picture gives the same bytes"


def test_the_size_it_tells_is_the_size_of_the_file(drawing: Drawing, tmp_path: Path) -> None:
    with Image.open(drawing.save(tmp_path / "a.png")) as image:
        assert image.size == drawing.size
    with Image.open(drawing.save(tmp_path / "b.jpg", dpi=50)) as image:
        assert image.size == (drawing.size[0] // 2, drawing.size[1] // 2)
    assert repr(drawing) == "Drawing(losses, {}x{} px)".format(*drawing.size)


def test_unknown_suffix_is_refused(drawing: Drawing, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ends in one of .*path='.*a\.bmp'"):
        drawing.save(tmp_path / "a.bmp")


def test_shows_itself_in_a_notebook(drawing: Drawing) -> None:
    found = drawing._repr_html_()
    assert "<script" not in found
    svg = unquote(found.partition("src='data:image/svg+xml,")[2].rpartition("'")[0])
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    with Image.open(io.BytesIO(drawing._repr_png_())) as image:
        assert image.size == drawing.size


def test_the_settings_of_the_user_stay_and_do_not_matter(drawing: Drawing) -> None:
    before = dict(matplotlib.rcParams)
    plain = drawing._repr_png_()
    assert dict(matplotlib.rcParams) == before
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "text.color": "red"}):
        again = plot_losses([0, 1, 2], [3.0, 2.0, 1.0], [2], [1.5], title="Löss & <more>")
        assert again._repr_png_() == plain


def test_displays_in_a_notebook_only(drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert not in_notebook()
    display(drawing)  # nobody to show it to

    class ZMQInteractiveShell:
        pass

    class Shell(ZMQInteractiveShell):  # as in Colab
        pass

    shown: list[object] = []
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = Shell  # type: ignore[attr-defined]
    inner = types.ModuleType("IPython.display")
    inner.display = shown.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", inner)
    assert in_notebook()
    display(drawing)
    assert shown == [drawing]


def test_neither_pyplot_nor_torch_is_imported_and_matplotlib_only_to_draw() -> None:
    code = """
import sys
import redstart.show.figure, redstart.show.page, redstart.show.plots, redstart.show.drawing
assert "matplotlib" not in sys.modules, "imported before anything is drawn"
import numpy as np
from redstart.show.card import Card
from redstart.show.view import Caption, ImageView
card = Card(index=0, view=ImageView(np.zeros((8, 8, 3), np.uint8)), truth=Caption("a"))
redstart.show.figure.figure([card])._repr_html_()
redstart.show.plots.plot_losses([0, 1], [1.0, 2.0])._repr_png_()
redstart.show.plots.plot_confusion_matrix([[1, 2], [3, 4]], ["a", "b"]).html()
found = [m for m in ("matplotlib.pyplot", "torch", "pandas", "IPython") if m in sys.modules]
assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
