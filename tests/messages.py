"""Messages of every form, as the platforms write them, cut down to what matters, for the tests of items."""

import json
from collections.abc import Mapping
from typing import Any

from siaga.sources.items import Item

Object = dict[str, Any]  # Any: JSON.

TWEET: Object = {
    "created_at": "Wed Jul 03 06:29:04 +0000 2019",
    "id": 1146304835119177728,
    "id_str": "1146304835119177728",
    "text": "Air naik di Kemang &amp; Cipete &lt;3",
    "truncated": False,
    "user": {"id": 1, "screen_name": "ani", "location": "Jakarta | Bandung", "lang": None},
    "geo": None,
    "coordinates": None,
    "place": None,
    "entities": {"hashtags": [{"text": "banjir", "indices": [0, 7]}], "urls": []},
    "lang": "in",
    "timestamp_ms": "1562135344663",
}
DELETE: Object = {
    "delete": {
        "status": {"id": 650034844559376384, "id_str": "650034844559376384", "user_id": 2, "user_id_str": "2"},
        "timestamp_ms": "1562132240183",
    }
}
BOX: Object = {
    "full_name": "Rüeggisberg, Schweiz",
    "country_code": "CH",
    "bounding_box": {
        "type": "Polygon",
        "coordinates": [[[7.374286, 46.704165], [7.374286, 46.853921], [7.482618, 46.853921], [7.482618, 46.704165]]],
    },
}
TWEET_V2: Object = {
    "data": {
        "id": "1460323737035677698",
        "text": "RT @who: cut short…",
        "created_at": "2021-11-15T19:08:05.000Z",
        "lang": "pt-BR",
        "author_id": "9",
        "referenced_tweets": [{"type": "quoted", "id": "1"}],
        "geo": {"place_id": "p1"},
        "attachments": {"media_keys": ["7_1", "3_2"]},
        "entities": {"hashtags": [{"start": 0, "end": 3, "tag": "chuva"}]},
    },
    "includes": {
        "users": [{"id": "8", "username": "other"}, {"id": "9", "username": "bia", "location": "Recife"}],
        "media": [
            {"media_key": "3_2", "type": "photo", "url": "https://pbs.example/photo.jpg"},
            {"media_key": "7_1", "type": "video", "preview_image_url": "https://pbs.example/video.jpg"},
        ],
        "places": [
            {
                "id": "p1",
                "full_name": "Olinda, Brasil",
                "country_code": "br",
                "geo": {"type": "Feature", "bbox": [-34.92, -8.04, -34.82, -7.94], "properties": {}},
            }
        ],
    },
}
DID = "did:plc:eygmaihciaxprqvxpfvl6flk"
EVENT: Object = {
    "did": DID,
    "time_us": 1725911162329308,
    "kind": "commit",
    "commit": {
        "rev": "3l3qo2vutsw2b",
        "operation": "create",
        "collection": "app.bsky.feed.post",
        "rkey": "3l3qo2vuowo2b",
        "record": {
            "$type": "app.bsky.feed.post",
            "createdAt": "2024-09-09T19:46:02.102Z",
            "langs": ["en-GB", "id"],
            "text": "Water in the street #flood",
            "facets": [{"features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "flood"}], "index": {}}],
            "embed": {
                "$type": "app.bsky.embed.images",
                "images": [{"alt": "", "image": {"$type": "blob", "ref": {"$link": "bafkreia"}, "size": 9}}],
            },
        },
        "cid": "bafyreidc",
    },
}
STATUS: Object = {
    "id": "109",
    "created_at": "2024-05-06T07:08:09.010Z",
    "language": "de",
    "uri": "https://social.example/users/eva/statuses/109",
    "content": '<p>Hochwasser <a href="https://social.example/tags/donau">#<span>Donau</span></a><br />'
    "am &quot;Kai&quot;</p><p>Bild:</p>",
    "account": {"acct": "eva@social.example", "username": "eva"},
    "media_attachments": [
        {"type": "video", "url": "https://m.example/v.mp4", "preview_url": "https://m.example/v.png"}
    ],
    "tags": [{"name": "Donau", "url": "x"}],
    "reblog": None,
}
POST: Object = {
    "id": "p-7",
    "text": "air naik",
    "label": "INFO",
    "time": "2020-02-01T06:00:00Z",
    "language": "in",
    "place": {"lon": 106.8, "lat": -6.2, "method": "geotag", "radius_m": 50, "name": "Kemang", "country": "ID"},
    "event": "2020",
    "user": "ani",
    "hashtags": ["banjir", "macet"],
    "image_url": "https://x.example/7.jpg",
    "keyword": "rob",
}
EVERY_FORM: Mapping[str, Object] = {
    "twitter": TWEET,
    "twitter-v2": TWEET_V2,
    "bluesky": EVENT,
    "mastodon": STATUS,
    "posts": POST,
}


def line(message: object, **changed: object) -> bytes:
    """Return a message as a line, with some of its keys changed; `...` leaves a key out."""
    whole = {**message, **changed} if isinstance(message, dict) else message
    if isinstance(whole, dict):
        whole = {key: value for key, value in whole.items() if value is not ...}
    return json.dumps(whole).encode()


def parts(item: Item) -> tuple[object, ...]:
    """Return everything that an item says."""
    return (
        *(item.platform, item.id, item.text, item.language, item.time, item.time_ms, item.place, item.image_url),
        *(item.user, item.hashtags, item.is_repost, item.post()),
    )
