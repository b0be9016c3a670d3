"""How commands read posts for a bundle: its columns or the user's, and a quarantine beside the output."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from siaga.errors import DataError, did_you_mean
from siaga.post import Post

if TYPE_CHECKING:
    from siaga.bundle import Bundle
    from siaga.schema import Columns

_TO_PREDICT = ("id", "text", "image")


@contextmanager
def reading(
    bundle: "Bundle", posts: str, *, columns: Sequence[str], beside: Path | None, labelled: bool = False
) -> Iterator[Iterator[Post]]:
    """Give the posts of a file, mapped as the bundle's recipe maps them unless `columns` (what=name) says otherwise.

    A column that only the recipe names may be missing: a file to predict need not have all that there was to train.
    Labels are read only when `labelled`, and one that is a class already is taken as it is. Rows that cannot be read
    are written to `beside` when the block ends, and counted on stderr.
    """
    from siaga.quarantine import Quarantine
    from siaga.schema import TableSource
    from siaga.sources import read_posts

    source = bundle.recipe.source
    mapping = source.labels if isinstance(source, TableSource) else {}
    known = {**{name: name for name in bundle.classes}, **mapping} if mapping else {}
    quarantine = Quarantine()
    given = _given(columns)
    yield read_posts(
        posts,
        columns=_columns(bundle, given, labelled=labelled),
        labels=known if labelled else None,
        demands=[*given, "label"],
        quarantine=quarantine,
    )
    if beside is not None:
        quarantine.write(beside)
    if len(quarantine):
        where = f" See {beside}." if beside is not None else ""
        typer.echo(f"{len(quarantine)} rows were set aside or kept in part.{where}", err=True)


def check_apart(posts: str, outputs: Sequence[Path]) -> None:
    """Raise DataError if an output is the very file that is read."""
    if posts == "-" or not Path(posts).exists():
        return
    for output in outputs:
        if output.exists() and output.samefile(posts):
            raise DataError(f"{output} is the file that is read. Choose another name for the output.")


def one_post(text: str | None, image: Path | None) -> Post:
    """Return the post of `--text` and `--image`; raises DataError for an image that cannot be read."""
    if image is not None:
        from siaga.features.images import open_image

        if not image.is_file():
            raise DataError(f"There is no image {image}. Check the path.")
        open_image(image)
    post = Post("1", text=text, image=image)
    if not post.modalities:
        raise DataError("The text is blank and there is no image. Give --text with words, or --image.")
    return post


def _given(columns: Sequence[str]) -> dict[str, str]:
    """Return the columns that the user names, by the part of a post that they hold."""
    from siaga.schema import Columns

    given = {}
    for pair in columns:
        part, equals, name = pair.partition("=")
        if not equals or part not in Columns.model_fields or part == "fields":
            hint = did_you_mean(part, Columns.model_fields)
            raise DataError(f"--column {pair!r} is not WHAT=NAME.{hint} Write for example --column text=tweet.")
        given[part] = name
    return given


def _columns(bundle: "Bundle", given: Mapping[str, str], *, labelled: bool) -> "Columns":
    from siaga.schema import Columns, TableSource

    source = bundle.recipe.source
    recipe = source.columns if isinstance(source, TableSource) else Columns()
    needed = (*_TO_PREDICT, "label") if labelled else _TO_PREDICT
    return Columns(**{**{part: getattr(recipe, part) for part in needed}, **given})
