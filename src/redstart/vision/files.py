"""Chores on picture files before there are any loaders."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from redstart.data.items import get_image_files
from redstart.data.loader import default_workers
from redstart.errors import DataError
from redstart.show.progress import track
from redstart.vision.decode import open_image

__all__ = ["resize_images", "verify_images"]


def verify_images(files: Iterable[str | Path]) -> list[Path]:
    """Return the files that cannot be fully decoded; none is changed or deleted.

    Training does this by itself and says why: see ``DataLoaders`` and ``redstart check``.

    Args:
        files: Picture files.
    """
    paths = [Path(f) for f in files]

    def unreadable(path: Path) -> bool:
        try:
            open_image(path)
        except DataError:
            return True
        return False

    with ThreadPoolExecutor(default_workers()) as pool:
        found = list(track(pool.map(unreadable, paths), len(paths), "Reading pictures"))
    return [path for path, bad in zip(paths, found, strict=True) if bad]


def resize_images(
    path: str | Path, max_size: int, dest: str | Path, *, recurse: bool = False
) -> list[Path]:
    """Write smaller copies of the pictures in a folder; those that cannot be read are left out.

    Args:
        path: The folder.
        max_size: Longer side of a copy, in pixels; smaller pictures are not enlarged.
        dest: Where copies go, under the same names; ``path`` itself replaces the originals.
        recurse: Whether to go into sub-folders.

    Returns:
        The files written.
    """
    path, dest = Path(path), Path(dest)

    def resize(file: Path) -> Path | None:
        try:
            img = open_image(file, size_hint=(max_size, max_size))
        except DataError:
            return None
        img.thumbnail((max_size, max_size))
        copy = dest / file.relative_to(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        img.save(copy)
        return copy

    files = get_image_files(path, recurse=recurse)
    with ThreadPoolExecutor(default_workers()) as pool:
        made = list(track(pool.map(resize, files), len(files), "Resizing pictures"))
    return [copy for copy in made if copy is not None]
