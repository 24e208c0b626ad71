from __future__ import annotations

from pathlib import Path

from PIL import Image

from redstart.vision.archs import __all__ as names
from redstart.vision.files import resize_images, verify_images
from redstart.vision.models import fixed_size


def _photo(path: Path, size: tuple[int, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 30, 30)).save(path)
    return path


def test_unreadable_files_are_found_and_left_alone(tmp_path: Path) -> None:
    good = _photo(tmp_path / "good.png", (8, 8))
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:40])
    assert verify_images([good, str(bad)]) == [bad]
    assert bad.exists()


def test_copies_are_no_larger_than_asked_and_never_enlarged(tmp_path: Path) -> None:
    _photo(tmp_path / "in/a/wide.png", (90, 30))
    _photo(tmp_path / "in/small.png", (10, 20))
    (tmp_path / "in/bad.png").write_text("no picture")
    assert len(resize_images(tmp_path / "in", 30, tmp_path / "top")) == 1
    made = resize_images(tmp_path / "in", 30, tmp_path / "out", recurse=True)
    sizes = {}
    for file in made:
        with Image.open(file) as img:
            sizes[file.name] = img.size
    assert sizes == {"wide.png": (30, 10), "small.png": (10, 20)}


def test_the_course_s_architectures_exist() -> None:
    from redstart.vision import archs

    for name in names:
        fixed_size(getattr(archs, name))  # raises for an unknown name
