"""Self-contained HTML pages: one look for every report, autoescaped, with no request to anywhere."""

from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **context: object) -> str:
    """Fill the template of that name in this folder; every value is escaped unless it is `markupsafe.Markup`."""
    return _environment().get_template(template).render(**context)


def data_url(image: bytes) -> str:
    """Return a small JPEG, PNG or WebP as the address of an image within the page."""
    kind = "png" if image.startswith(b"\x89PNG") else "webp" if image.startswith(b"RIFF") else "jpeg"
    return f"data:image/{kind};base64,{b64encode(image).decode()}"


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("siaga.pages", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
