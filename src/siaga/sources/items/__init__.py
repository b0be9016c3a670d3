"""Messages of a stream as items: tweets, posts of Bluesky and Mastodon, and posts as Siaga writes them itself.

`ItemReader` makes an item or a notice of each message; what it cannot read is a fault with its reason.
"""

from siaga.schema.sources import Form
from siaga.sources.items.message import Item, Notice
from siaga.sources.items.reader import ItemReader, Notices

__all__ = ["Form", "Item", "ItemReader", "Notice", "Notices"]
