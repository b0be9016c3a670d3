"""A small grammar of Indonesian posts with the word *banjir*: reports, and all that only sounds like them.

A template names slots in braces; a slot is filled by one of its phrases, which may name slots again.
"""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

TextKind = Literal["report", "vague", "other", "stale"]

# The three floods of the look-alikes: their streets, and a point (lon, lat) in the middle of the city.
CITIES: dict[str, tuple[tuple[str, ...], tuple[float, float]]] = {
    "jakarta": (
        ("Jl. Raya Kemang", "Kampung Pulo", "Jl. Jatinegara Barat", "Cipinang Melayu", "Bukit Duri", "Kelapa Gading"),
        (106.84, -6.21),
    ),
    "semarang": (
        ("Jl. Kaligawe", "Genuk", "Tambak Lorok", "Kota Lama Semarang", "Jl. Raya Mangkang", "Tlogosari"),
        (110.42, -6.97),
    ),
    "bandung": (
        ("Baleendah", "Dayeuhkolot", "Jl. Raya Bojongsoang", "Gedebage", "Jl. Pasteur", "Andir"),
        (107.61, -6.95),
    ),
}

_TEMPLATES: dict[TextKind, tuple[str, ...]] = {
    "report": (
        "{water} {depth} di {place}, {condition}",
        "{water} di {place} {depth} {time}. {condition}",
        "{time} {place} {water} {depth}",
        "{place} {water} {depth}, {condition} {time}",
        "info {place}: {water} {depth}, {condition}",
        "{gate} {level} {time}, {warning}",
        "{water} masuk rumah di {place}, {depth}. {ask}",
        "{ask}! {place} {water} {depth}",
        "{water} mulai naik di {place}, {condition}",
        "update {time}: {place} masih {water}, {condition}",
    ),
    "vague": (
        "banjir lagi ya ampun {feeling}",
        "duh {feeling}, banjir lagi",
        "hujan dari tadi, {feeling} banjir",
        "{feeling} lihat banjir begini",
        "banjir banjir banjir {feeling}",
        "tiap tahun banjir terus, {feeling}",
        "kena banjir juga akhirnya {feeling}",
        "gara gara banjir {feeling}",
    ),
    "other": (
        "banjir {goods} di {shop}, {offer}",
        "{offer}! {shop} lagi banjir {goods}",
        "habis {moment} langsung banjir {tears}",
        "{moment} bikin banjir {tears} {feeling}",
        "alhamdulillah banjir {order} {period}, {gratitude}",
        "{joke}",
        "kalau {someone} lewat, hati aku banjir {tears}",
        "{gratitude} buat {helper} yang sudah bantu korban banjir {event}",
        "donasi korban banjir {event} masih dibuka, {donate}",
        "{politician} {promise} soal banjir, {opinion}",
        "banjir kritik buat {politician}, {opinion}",
        "timeline banjir {content} {period}",
        "{someone} banjir pujian {moment}",
        "nonton {content} sampai banjir {tears}",
    ),
    "stale": (
        "{water} {depth} di {place}, {condition} {old}",
        "{old} {place} {water} {depth}",
        "inget dulu {place} {water} {depth}, {condition}",
        "{gate} {level}, {old}",
        "{water} di {place} {depth}. {condition}",
        "{place} {water} {depth}, {condition} {time}",
        "{time} {place} {water} {depth}",
    ),
}

_PHRASES: dict[str, tuple[str, ...]] = {
    "water": (
        *("banjir",) * 5,
        *("banjir rob", "air banjir", "genangan banjir", "genangan air", "kebanjiran", "luapan kali"),
    ),
    "depth": (
        *("{cm}cm", "{cm} cm", "setinggi {cm}cm", "sekitar {cm} cm", "sudah {cm}cm", "ketinggian {cm} cm"),
        *("sepinggang", "selutut", "sedada orang dewasa", "semata kaki", "hampir sebetis", "sepaha"),
        *("setinggi ban mobil", "sampai atap mobil", "di atas lutut"),
    ),
    "condition": (
        *("motor ga bisa lewat", "mobil kecil jangan lewat sini", "macet total", "arus deras", "lalin dialihkan"),
        *("kendaraan putar balik", "warga mulai ngungsi", "listrik padam", "air masih naik", "perahu karet dibutuhkan"),
        *("banyak motor mogok", "jalan ditutup", "hujan masih deras", "warga terjebak di lantai dua"),
        *("air belum surut", "tim sar evakuasi warga", "cari jalan lain", "antrian mengular {km} km"),
    ),
    "time": (
        *("pukul {hour}.{tens}", "jam {hour}:{tens}", "pagi ini", "malam ini", "sore ini", "barusan", "sekarang"),
        *("{hour}.{tens} WIB", "sejak subuh", "dari tadi pagi", "siang ini", "saat ini"),
    ),
    "gate": (
        *("Pintu air Manggarai", "pintu air Karet", "Bendung Katulampa", "pos pantau Depok", "TMA Kali Ciliwung"),
        *("pintu air Pulogadung", "Bendungan Pleret", "TMA Citarum Dayeuhkolot", "Kali Babon", "pompa Tawang"),
    ),
    "level": ("siaga 1", "siaga 2", "siaga {few}", "{cm} cm siaga {few}", "naik jadi {cm}0 cm", "status siaga {few}"),
    "warning": ("waspada warga {place}", "warga bantaran harap siap", "hati hati", "segera ngungsi", "{condition}"),
    "ask": ("tolong evakuasi", "butuh perahu karet", "mohon bantuan", "tolong ada lansia di rumah", "butuh makanan"),
    "old": (
        *("foto tahun lalu", "kejadian {year}", "ini berita lama", "tahun {year} dulu", "katanya sih", "hoax kah?"),
        *("repost {year}", "kenangan {year}", "video lama", "ternyata cuma simulasi"),
    ),
    "feeling": (
        *("capek deh", "sabar ya", "sedih", "gimana nih", "ya allah", "hadeh", "semoga cepat surut", "ampun deh"),
        *("bikin pusing", "pengen nangis", "tetap semangat", "kok bisa sih", "males keluar", "mau gimana lagi"),
    ),
    "goods": (
        *("diskon", "promo", "hadiah", "voucher", "cashback", "produk baru", "sepatu murah", "gadget", "baju lebaran"),
        *("tiket konser", "giveaway", "kupon", "buku bekas", "skincare"),
    ),
    "shop": (
        *("toko kami", "mall {city}", "shopee", "lapak sebelah", "tokopedia", "bazar akhir pekan", "olshop kesayangan"),
        *("pasar malam", "gerai baru di {place}", "online shop @{handle}"),
    ),
    "offer": (
        *(
            "buruan cek",
            "cuma hari ini",
            "potongan {percent}%",
            "mulai {price}rb aja",
            "stok terbatas",
            "beli {few} gratis 1",
        ),
        *("klik link di bio", "order via wa", "ongkir gratis", "sampai jam {hour}"),
    ),
    "moment": (
        *("nonton drakor", "wisuda", "ditinggal nikah", "putus", "liat mantan", "denger lagu ini", "film tadi malam"),
        *("menang lomba", "konser semalam", "ngupas bawang", "ketemu ibu", "baca novel", "final bola", "ulang tahun"),
    ),
    "tears": ("air mata", "air mata bahagia", "tangis", "haru", "kenangan", "rindu", "cinta", "keringat"),
    "order": ("orderan", "rezeki", "pesanan", "job", "tawaran kerja", "like", "notif", "ucapan", "follower", "chat"),
    "period": ("hari ini", "minggu ini", "bulan ini", "dari kemarin", "akhir pekan ini", "semalam", "tahun ini"),
    "gratitude": (
        "makasih banyak",
        "terima kasih",
        "alhamdulillah",
        "salut",
        "respect",
        "semoga berkah",
        "matur nuwun",
    ),
    "joke": (
        *("jomblo mah banjir juga sendirian {feeling}", "hati boleh kering dompet jangan banjir {tears}"),
        *(
            "mandi aja udah kayak banjir {city}",
            "banjir di kamar gara gara {someone} mewek",
            "es teh tumpah serasa banjir",
        ),
        *(
            "banjir? santai, aku punya {content}",
            "dompet kering, timeline banjir {goods}",
            "banjir kok {goods}, banjir tuh cuan",
        ),
        *("{someone}: banjir ya? aku: iya banjir {tears}", "kuis: banjir apa yang bikin happy? banjir {order}"),
    ),
    "someone": ("mantan", "gebetan", "doi", "si bos", "dosen", "kang ojek", "adik aku", "tetangga", "pak rt", "emak"),
    "helper": ("relawan", "BPBD", "tim SAR", "TNI", "donatur", "anak anak karang taruna", "warga", "PMI", "@{handle}"),
    "event": ("kemarin", "bulan lalu", "{year}", "di {city}", "pekan lalu", "se {city}"),
    "donate": (
        "transfer ke rek {phone}",
        "info {phone}",
        "yuk bantu",
        "baju layak pakai diterima",
        "cek bio",
        "dm aja",
    ),
    "politician": ("gubernur", "pak walikota", "anggota dewan", "calon bupati", "pemprov", "pak menteri", "dinas PU"),
    "promise": ("janji lagi", "debat lagi", "kasih komentar", "ditanya wartawan", "bikin program", "minta anggaran"),
    "opinion": ("semoga bukan janji", "kita lihat saja", "percuma", "setuju sih", "jangan cuma wacana", "warga bosan"),
    "content": (
        "meme",
        "spoiler",
        "story liburan",
        "foto prewed",
        "video kucing",
        "drakor",
        "hoax",
        "iklan",
        "film korea",
    ),
}

# From, to and step.
_NUMBERS: dict[str, tuple[int, int, int]] = {
    "cm": (10, 180, 5),
    "hour": (0, 23, 1),
    "few": (1, 4, 1),
    "tens": (10, 55, 5),
    "km": (1, 6, 1),
    "year": (2013, 2019, 1),
    "percent": (10, 90, 5),
    "price": (10, 200, 5),
}

_SLANG: dict[str, tuple[str, ...]] = {
    "tidak": ("ga", "gak", "nggak"),
    "ga": ("gak", "nggak", "gk", "tdk"),
    "yang": ("yg",),
    "sudah": ("udah", "udh", "sdh"),
    "sampai": ("smp", "sampe"),
    "masih": ("msh", "masi"),
    "tolong": ("tlg", "tolongg"),
    "jalan": ("jln",),
    "banyak": ("bnyk",),
    "sekarang": ("skrg", "skrng"),
    "banjir": ("bnjr", "banjiir", "BANJIR", "Banjir"),
    "hati": ("ati",),
    "bikin": ("bkin",),
    "kendaraan": ("kendaraaan", "kndaraan"),
    "dengan": ("dgn",),
    "terima": ("trima",),
    "makasih": ("mksh", "makasi", "maaciw"),
    "lagi": ("lg", "lgi"),
    "warga": ("wrga",),
}

_TAGS = ("#banjir", "#banjir{city}", "#info{city}", "#{city}", "#hujan", "#banjir{year}", "#prayfor{city}", "#viral")
_EMOJI = ("😭", "😂", "🙏", "😢", "🌧️", "💧", "😅", "🔥", "😱", "🤣", "❤️", "🚗", "⚠️", "😍")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_SLOT = re.compile(r"\{(\w+)\}")


def write_text(kind: TextKind, city: str, rng: np.random.Generator) -> str:
    """Return one post's text of a kind: a sentence of the grammar in the manner of a timeline."""
    body = _filled(_pick(_TEMPLATES[kind], rng), city, rng)
    if kind == "vague" and rng.random() < 0.3:
        body = f"{body} {_filled('{time}', city, rng)}"
    words = [_slangy(word, rng) for word in body.split()]
    before = [f"@{_word(rng, 8)}"] if rng.random() < 0.18 else []
    after = [_filled(_pick(_TAGS, rng), city, rng) for _ in range(int(rng.choice(3, p=(0.5, 0.3, 0.2))))]
    after += [_pick(_EMOJI, rng)] if rng.random() < 0.3 else []
    after += [f"https://t.co/{_word(rng, 10)}"] if rng.random() < 0.25 else []
    return " ".join([*before, *words, *after])


def retell(text: str, rng: np.random.Generator) -> str:
    """Return nearly the same text: a retweet, or one with another ending."""
    if rng.random() < 0.5:
        return f"RT @{_word(rng, 7)}: {text}"
    return f"{text} {_pick(('cc', 'via', 'info'), rng)} @{_word(rng, 6)} {_pick(_EMOJI, rng)}"


def _filled(template: str, city: str, rng: np.random.Generator) -> str:
    return _SLOT.sub(lambda slot: _filled(_slot(slot[1], city, rng), city, rng), template)


def _slot(name: str, city: str, rng: np.random.Generator) -> str:
    if name in _PHRASES:
        return _pick(_PHRASES[name], rng)
    if name in _NUMBERS:
        low, high, step = _NUMBERS[name]
        return str(low + step * int(rng.integers((high - low) // step + 1)))
    match name:
        case "place":
            return _pick(CITIES[city][0], rng)
        case "phone":
            return f"08{rng.integers(10**8, 10**9)}"
        case "handle":
            return _word(rng, 7)
        case _:
            return city


def _slangy(word: str, rng: np.random.Generator) -> str:
    chance = rng.random()
    if chance < 0.35 and word in _SLANG:
        return _pick(_SLANG[word], rng)
    if chance > 0.97 and len(word) > 4 and word.isalpha():
        at = int(rng.integers(1, len(word) - 1))
        return word[:at] + word[at + 1 :] if chance > 0.985 else word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word


def _word(rng: np.random.Generator, length: int) -> str:
    return "".join(_LETTERS[i] for i in rng.integers(len(_LETTERS), size=length))


def _pick(phrases: Sequence[str], rng: np.random.Generator) -> str:
    return phrases[int(rng.integers(len(phrases)))]
