"""What ``redstart recommend`` does."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from redstart.console import given
from redstart.errors import ConfigError, problem

if TYPE_CHECKING:
    from redstart.collab.bundle import CollabBundle
    from redstart.collab.lists import Explanation, Recommendations

__all__ = ["recommend"]


def recommend(  # noqa: PLR0913 - a parameter is an option
    bundle: Annotated[Path, typer.Argument(help="What `redstart train collab` wrote.")],
    user: Annotated[str | None, typer.Option(help="One user; what is popular if left out.")] = None,
    rated: Annotated[
        list[str] | None,
        typer.Option(help="Of a new user: 'ITEM=RATING', or ITEM if implicit; again for more."),
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="An item: those that the same people like.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="All users: a table as CSV.")] = False,
    k: Annotated[int, typer.Option("-k", min=1, help="How many items.")] = 10,
    exclude_seen: Annotated[bool, typer.Option(help="Leave out what the user had.")] = True,
    why: Annotated[
        bool, typer.Option(help="Say which of the user's items carry the first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Recommend items: to a user, to a new one by what he rated, or to all."""
    from redstart.collab import load_learner

    _check_together(user=user, rated=rated, like=like, why=why, all=everybody, json=as_json)
    opened: Any = load_learner(bundle, device="cpu")
    if not hasattr(opened, "recommend"):
        raise ConfigError(
            problem(
                "Expected a model that recommends",
                f"{bundle}, which predicts {opened.target.kind} from {opened.codec.kind}",
                "Use `redstart predict`.",
            )
        )
    if everybody:
        _write_all(opened, k, exclude_seen=exclude_seen)
        return
    if like is not None:
        _say(opened, opened.similar_items(like, k), None, as_json=as_json)
        return
    ratings = _rated(opened, rated or [])
    found = opened.recommend(user, k, exclude_seen=exclude_seen, ratings=ratings)
    explained = None
    if why and found.items and found.why != "popularity":
        best = opened.codec.items[found.positions[0]]
        explained = opened.explain_recommendation(user, best, ratings=ratings)
    _say(opened, found, explained, as_json=as_json)


def _check_together(**options: Any) -> None:
    """Refuse options that exclude each other: one of them would do nothing."""
    asked = {f"--{name}" for name, said in options.items() if said}
    for alone, others in (
        ("--all", {"--user", "--rated", "--like", "--why", "--json"}),
        ("--like", {"--user", "--rated", "--why"}),
    ):
        if alone in asked and (both := sorted(asked & others)):
            raise ConfigError(
                problem(
                    f"Expected {alone} without {both[0]}",
                    f"{alone} {' '.join(both)}",
                    "Ask one thing at a time.",
                )
            )


def _say(
    bundle: CollabBundle, found: Recommendations, why: Explanation | None, *, as_json: bool
) -> None:
    if not as_json:
        print(found, *([f"\n{why}"] if why else []), sep="\n")
        return
    pairs = zip(found.positions, found.scores, strict=True)
    said: dict[str, Any] = {
        "why": found.why,
        "items": [{**_named(bundle, place), "score": score} for place, score in pairs],
    }
    if why is not None:
        said["explanation"] = {
            **{name: getattr(why, name) for name in ("item", "score", "base", "rest", "method")},
            "contributions": [{"item": item, "adds": adds} for item, adds in why],
        }
    print(json.dumps(said, indent=1))


def _named(bundle: CollabBundle, place: int) -> dict[str, Any]:
    """Name of an item, and its title if there are titles."""
    codec: Any = bundle.codec
    title = codec.titles[place] if codec.titles else None
    return given(item=codec.items[place], title=title)


def _write_all(bundle: CollabBundle, k: int, *, exclude_seen: bool) -> None:
    codec: Any = bundle.codec
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["user", "rank", "item", *(["title"] if codec.titles else []), "score"])
    table.writerows(_rows(bundle, k, exclude_seen=exclude_seen))


def _rows(bundle: CollabBundle, k: int, *, exclude_seen: bool) -> Iterator[list[Any]]:
    codec: Any = bundle.codec
    items, scores = bundle.recommend_all(k, exclude_seen=exclude_seen)
    for place in range(1, codec.n_users):
        for number, (one, score) in enumerate(zip(items[place], scores[place], strict=True), 1):
            if one:
                named = _named(bundle, int(one)).values()
                yield [codec.users[place], number, *named, f"{score:.4f}"]


def _rated(bundle: CollabBundle, said: list[str]) -> Any:
    """Ratings as given: a mapping if they have values, a list if they are just items."""
    codec: Any = bundle.codec
    if not said or all(codec.keys[1].find(one) or "=" not in one for one in said):
        return said or None
    found = {}
    for one in said:
        item, _, value = one.rpartition("=")
        try:
            found[item] = float(value)
        except ValueError as error:
            raise ConfigError(
                problem(
                    "Expected --rated 'ITEM=RATING' with a number",
                    f"--rated {one!r}",
                    "Write for example --rated 'Star Wars (1977)=5'.",
                )
            ) from error
    return found
