"""How commands read posts for a bundle: its columns or the user's, and a quarantine beside the output."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from siaga.errors import DataError, did_you_mean
from siaga.post import Post

if TYPE_CHECKING:
    from siaga.bundle import Bundle
    from siaga.quarantine import Quarantine
    from siaga.schema import Columns

_TO_PREDICT = ("id", "text", "image")


@contextmanager
def reading(
    bundle: "Bundle",
    posts: str,
    *,
    columns: Sequence[str],
    beside: Path | None,
    labelled: bool = False,
    whole: bool = False,
) -> Iterator[Iterator[Post]]:
    """Give the posts of a file, mapped as the bundle's recipe maps them unless `columns` (what=name) says otherwise.

    A column that only the recipe names may be missing: a file to predict need not have all that there was to train.
    For a recipe of arrays, a file of arrays is read as one, and any other file as a table. A file whose name ends in
    .json (.gz, .bz2, .xz) holds messages of a stream; for a recipe of such, all JSON lines and folders do. Labels are
    read only when `labelled`, and one that is a class already is taken as it is. Rows that cannot be read are written
    to `beside` when the block ends, and counted on stderr; with `whole`, they are a DataError when all posts were read.
    """
    from siaga.quarantine import Quarantine

    quarantine = Quarantine()
    read = _read(bundle, posts, given_columns(columns), labelled=labelled, quarantine=quarantine)
    try:
        yield _without_gaps(read, posts, quarantine) if whole else read
    finally:
        if beside is not None:
            quarantine.write(beside)
        if len(quarantine):
            where = f" See {beside}." if beside is not None else ""
            typer.echo(f"{len(quarantine)} rows were set aside or kept in part.{where}", err=True)


def _read(
    bundle: "Bundle", posts: str, given: Mapping[str, str], *, labelled: bool, quarantine: "Quarantine"
) -> Iterator[Post]:
    from siaga.schema import ArraysSource, Files, TwitterSource
    from siaga.sources import read_posts
    from siaga.sources.arrays import ArrayReading, holds_arrays, read_array_posts
    from siaga.sources.items.source import MessageReading, read_messages

    source = bundle.recipe.source
    mapping = source.labels if isinstance(source, Files) else {}
    known = {**{name: name for name in bundle.classes}, **mapping} if mapping else {}
    labels = known if labelled else None
    if isinstance(source, ArraysSource) and not given and posts != "-" and holds_arrays(Path(posts)):
        return read_array_posts(Path(posts), ArrayReading(labels, source.level, source.planar), quarantine=quarantine)
    if not given and _holds_messages(posts, is_usual=isinstance(source, TwitterSource)):
        path: Path | Literal["-"] = "-" if posts == "-" else Path(posts)
        reading = MessageReading(labels, source.form if isinstance(source, TwitterSource) else "auto")
        return read_messages(path, reading, quarantine=quarantine)
    columns = _columns(bundle, given, labelled=labelled)
    return read_posts(posts, columns=columns, labels=labels, demands=[*given, "label"], quarantine=quarantine)


def _holds_messages(posts: str, *, is_usual: bool) -> bool:
    from siaga.sources.items.source import is_message_file

    path = Path(posts)
    if is_usual:
        return posts == "-" or path.is_dir() or is_message_file(path)
    return is_message_file(path) and ".json" in (suffix.lower() for suffix in path.suffixes[-2:])


def _without_gaps(read: Iterator[Post], posts: str, quarantine: "Quarantine") -> Iterator[Post]:
    from siaga.sources.table import KEPT_WITHOUT

    yield from read
    lost = sum(count for reason, count in quarantine.counts.items() if not reason.startswith(KEPT_WITHOUT))
    if lost:
        gaps = f"{lost:,} rows of {posts} cannot be read, so the others would be answered under a wrong number"
        raise DataError(f"{gaps}. Mend these rows; the quarantine lists them.")


def check_apart(posts: str, outputs: Sequence[Path]) -> None:
    """Raise DataError if an output is the very file that is read."""
    if posts == "-" or not Path(posts).exists():
        return
    for output in outputs:
        if output.exists() and output.samefile(posts):
            raise DataError(f"{output} is the file that is read. Choose another name for the output.")


def one_post(text: str | None, image: Path | None, *, language: str | None = None) -> Post:
    """Return the post of `--text`, `--image` and `--language`; raises DataError for an image that cannot be read."""
    if image is not None:
        from siaga.features.images import open_image

        if not image.is_file():
            raise DataError(f"There is no image {image}. Check the path.")
        open_image(image)
    post = Post("1", text=text, image=image, language=language)
    if not post.modalities:
        raise DataError("The text is blank and there is no image. Give --text with words, or --image.")
    return post


def given_columns(columns: Sequence[str]) -> dict[str, str]:
    """Return the columns that the user names (what=name), by the part of a post that they hold."""
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
    needed = (*_TO_PREDICT, *(_to_measure(bundle) if labelled else ()))
    fields = tuple(dict.fromkeys([*recipe.fields, *_fields_read(bundle)]))
    return Columns(**{**{part: getattr(recipe, part) for part in needed}, "fields": fields, **given})


def _to_measure(bundle: "Bundle") -> tuple[str, ...]:
    """Return the columns that are read beside those that answers need; topics are shown over time."""
    return ("label", "time") if bundle.recipe.evaluation.kind == "topics" else ("label",)


def _fields_read(bundle: "Bundle") -> list[str]:
    """Return the columns that the model reads beside a post's own parts."""
    from siaga.recipe import tables_in, to_table

    named = []
    for part in tables_in(to_table(bundle.recipe.model)):
        match part.get("kind"):
            case "linear":
                named += [*part["fields"], *part["fill"].values()]
            case "topics":
                named += [*part["fields"], *part["words"]["left_out_fields"]]
    return [name for name in named if name not in ("text", "hashtags")]
