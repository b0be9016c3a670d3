"""An item whose parts were all worked out when it was read, as those of every form but Twitter's old one are."""

from dataclasses import dataclass
from datetime import datetime

from siaga.post import Place, Post
from siaga.sources.items.message import Item, as_moment


@dataclass(frozen=True, slots=True)
class WholeItem:
    """An item as `Item` describes it."""

    platform: str
    id: str
    text: str | None = None
    language: str | None = None
    time_ms: int | None = None
    place: Place | None = None
    image_url: str | None = None
    user: str | None = None
    hashtags: tuple[str, ...] = ()
    is_repost: bool = False

    @property
    def time(self) -> datetime | None:
        """Return when it was posted."""
        return as_moment(self.time_ms)

    def post(self) -> Post:
        """Return it as a post, with `user`, `hashtags` and `image_url` among its fields."""
        return post_of(self)


def post_of(item: Item) -> Post:
    """Return an item as a post."""
    fields = {"user": item.user, "hashtags": " ".join(item.hashtags), "image_url": item.image_url}
    return Post(
        item.id,
        text=item.text,
        time=item.time,
        language=item.language,
        place=item.place,
        fields={name: value for name, value in fields.items() if value},
    )
