"""Languages as one code each: platforms write old codes, codes with a country, and codes for "none that we know"."""

import re
from functools import lru_cache

_USUAL = """
am ar az be bg bn bo bs ca ckb cs cy da de el en es et eu fa fi fr gl gu he hi hr ht hu hy id is it ja jv ka kk km kn ko
ku ky lo lt lv mk ml mn mr ms my nb ne nl nn no or pa pl ps pt ro ru sd si sk sl so sq sr su sv sw ta te tg th tk tl tr
tt ug uk ur uz vi yi zh zu"""
SETTLED = frozenset[str | None]({None, *_USUAL.split()})  # Codes as they should be; `language_of` mends others.

_OLD = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro"}
_NONE = frozenset({"art", "mis", "mul", "und", "zxx"})
_CODE = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{1,8})*", re.ASCII | re.IGNORECASE)


@lru_cache(maxsize=512)
def language_of(code: str | None) -> str | None:
    """Return the language of a code as ISO 639 has it today: "pt-BR" is "pt", "in" is "id"; None for what names none.

    None are und, zxx and their like, and qaa to qtz, which are for private use (Twitter's "qme": pictures only).
    """
    found = _CODE.fullmatch(code.strip()) if code is not None and len(code) <= 100 else None
    if found is None:
        return None
    language = found[1].lower()
    is_private = len(language) == 3 and "qaa" <= language <= "qtz"
    return None if is_private or language in _NONE else _OLD.get(language, language)
