"""From a number to an asset: every property drawn from the seed, nothing remembered.

Number 0 is the newest. Dates fall strictly, so a number is also a rank.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from sandbox.library import quicktime
from sandbox.library.content import Content
from sandbox.library.model import Asset, File
from sandbox.library.templates import FORMATS, VARIANTS, Details, head, head_size, same_head

NEWEST = int(datetime(2026, 8, 20, 12, tzinfo=UTC).timestamp() * 1000)
STEP = 3_600_000 * 3  # milliseconds between two assets, on average
OFFSETS = (3600, 7200, -25200, 0, 19800, 20700, -12600)
_LEAST_PADDING = 48  # room for a box header and a stamp that makes the bytes unique
_BURST = 4
_CAPTIONS = ("Grandma’s garden", "Überraschung!", "一家团圆", "last day 🏖️", 'say "cheese"')
_WORDS = ("family", "holiday", "Garten", "школа", "receipts, paper", "dog")
_PLACES = (
    (59.9139, 10.7522, 23.0),
    (-33.8688, 151.2093, 12.5),
    (27.7172, 85.3240, 1400.0),
    (40.4168, -3.7038, 657.0),
)

# kind and formats: (share, kind, original, extra files as (role, format))
Shape = tuple[str, str, tuple[tuple[str, str], ...]]
_LIVE_EDITED = (("live_video", "mov"), ("edited", "jpeg"), ("edited_live_video", "mov"))
MIX: tuple[tuple[float, Shape], ...] = (
    (0.34, ("photo", "heic", ())),
    (0.14, ("photo", "jpeg", ())),
    (0.22, ("live", "heic", (("live_video", "mov"),))),
    (0.08, ("video", "mov", ())),
    (0.07, ("photo", "png", ())),
    (0.05, ("photo", "heic", (("edited", "jpeg"),))),
    (0.03, ("live", "heic", _LIVE_EDITED)),
    (0.02, ("video", "mov", (("edited_video", "mov"),))),
    (0.03, ("photo", "jpeg", (("raw", "dng"),))),
    (0.02, ("photo", "dng", ())),
)
PLAIN: tuple[tuple[float, Shape], ...] = ((1.0, ("photo", "jpeg", ())),)


def pad_for(form: str, variant: int, size: int | None, natural: int) -> int:
    """Padding that brings a file to ``size`` bytes (or adds ``natural``)."""
    wanted = natural if size is None else size - head_size(form, variant)
    return max(_LEAST_PADDING, wanted)


def make_content(form: str, variant: int, tag: str, padding: int, details: Details) -> Content:
    """A real file of ``form`` followed by ``padding`` bytes, in a free box where it has boxes.

    What is written into the file is part of its content's tag: two libraries may use one tag
    for files taken at different moments.
    """
    tag = hashlib.blake2b(f"{tag} {form} {variant} {details}".encode(), digest_size=16).hexdigest()
    boxed = FORMATS[form].boxed
    extra = quicktime.free(padding) if boxed else b""

    def build() -> bytes:
        return head(form, variant, details) + extra

    return Content(tag, build, head_size(form, variant) + len(extra), padding - len(extra))


def make_file(
    role: str, form: str, name: str, tag: str, size: int | None, natural: int, details: Details
) -> File:
    variant = int(details.unique[0], 16) % VARIANTS
    shape = FORMATS[form]
    content = make_content(form, variant, tag, pad_for(form, variant, size, natural), details)
    return File(role, f"{name}.{shape.suffix}", shape.uti, shape.width, shape.height, content)


def details_of(
    created: int, offset: int, unique: str, live: bool, location: tuple[float, float, float] | None
) -> Details:
    zone = timezone(timedelta(seconds=offset))
    taken = datetime.fromtimestamp(created / 1000, zone)
    content_id = str(UUID(unique)).upper() if live else None
    return Details(taken, unique, content_id, location)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The traits of one number."""

    digest: bytes
    kind: str
    form: str
    extras: tuple[tuple[str, str], ...]
    subtype: str
    favorite: bool
    hidden: bool
    trashed: int | None
    shared: bool
    burst: str | None
    stacked: bool
    source: int  # the number whose original this one has


class Recipe:
    """``size`` fixes every original's size in bytes; ``plain`` makes nothing but JPEGs."""

    def __init__(self, seed: int, *, size: int | None, plain: bool, shared: bool) -> None:
        self._key = hashlib.blake2b(f"library {seed}".encode(), digest_size=16).digest()
        self._size = size
        self._plain = plain
        self._shared = shared
        self._shapes = [(round(share * 65536), shape) for share, shape in (PLAIN if plain else MIX)]

    def digest(self, number: int, purpose: bytes = b"") -> bytes:
        text = number.to_bytes(8, "big") + purpose
        return hashlib.blake2b(text, digest_size=32, key=self._key).digest()

    def id(self, number: int) -> str:
        """A UUID that holds the number, so that no table is needed to find it again."""
        mark = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=12, key=self._key)
        return str(UUID(bytes=mark.digest() + number.to_bytes(4, "big"))).upper()

    def number(self, asset_id: str) -> int | None:
        try:
            number = int(asset_id[-8:], 16)
        except ValueError:
            return None
        return number if self.id(number) == asset_id else None

    def created(self, number: int) -> int:
        jitter = int.from_bytes(self.digest(number, b"date")[:4], "big") % (STEP // 2)
        return NEWEST - number * STEP - jitter

    def draw(self, number: int) -> Drawn:
        digest = self.digest(number)
        kind, form, extras = self._shape(digest)
        if self._plain:
            return Drawn(
                digest, kind, form, extras, "", False, False, None, False, None, False, number
            )
        burst = self._burst(number)
        if burst:
            kind, form, extras = "photo", "heic", ()
        source = self._source(number, digest, burst)
        if source != number:
            kind, form, extras = self._shape(self.digest(source))
        subtype = "screenshot" if form == "png" else ""
        if kind == "video" and digest[2] < 40:
            subtype = ("slomo", "timelapse")[digest[2] % 2]
        elif form == "jpeg" and digest[2] < 10:
            subtype = "panorama"
        trashed = self.created(number) + 1000 if digest[5] < 4 else None
        return Drawn(
            digest,
            kind,
            form,
            extras,
            subtype,
            favorite=digest[3] < 20,
            hidden=digest[4] < 4 and trashed is None,
            trashed=trashed,
            shared=self._shared and digest[6] < 20,
            burst=burst,
            stacked=burst is not None and number % _BURST != 0,
            source=source,
        )

    def asset(self, number: int) -> Asset:
        if self._plain:
            return self._simple(number)
        drawn = self.draw(number)
        digest = drawn.digest
        created = self.created(number)
        offset = OFFSETS[digest[7] % len(OFFSETS)]
        location = None
        if digest[8] < 128:
            latitude, longitude, altitude = _PLACES[digest[8] % len(_PLACES)]
            location = (latitude + digest[9] / 1000, longitude - digest[10] / 1000, altitude)
        return Asset(
            number=number,
            id=self.id(number),
            kind=drawn.kind,
            created=created,
            added=created + 4000 + digest[11] * 10,
            utc_offset=offset,
            files=self._files(drawn, number, offset, location),
            subtype=drawn.subtype,
            favorite=drawn.favorite,
            hidden=drawn.hidden,
            trashed=drawn.trashed,
            shared=drawn.shared,
            burst=drawn.burst,
            stacked=drawn.stacked,
            caption=_CAPTIONS[digest[12] % 5] if digest[12] < 20 else None,
            keywords=_WORDS[digest[13] % 3 : digest[13] % 3 + 2] if digest[13] < 20 else (),
            location=location,
        )

    def _simple(self, number: int) -> Asset:
        """A JPEG that differs from the others in its padding only: cheap by the 100,000."""
        digest = self.digest(number)
        variant = digest[0] % VARIANTS
        tag = f"plain/{digest[:16].hex()}"  # an ordinary library makes another file of this number
        padding = pad_for("jpeg", variant, self._size, 0)
        build = same_head("jpeg", variant)
        content = Content(tag, build, head_size("jpeg", variant), padding, shared=True)
        shape = FORMATS["jpeg"]
        name = f"IMG_{9999 - number % 9999:04d}.JPG"
        file = File("original", name, shape.uti, shape.width, shape.height, content)
        created = self.created(number)
        return Asset(number, self.id(number), "photo", created, created + 4000, 7200, (file,))

    def _files(
        self, drawn: Drawn, number: int, offset: int, location: tuple[float, float, float] | None
    ) -> tuple[File, ...]:
        # Shared originals are made from the number they come from, down to their metadata.
        source = self.draw(drawn.source) if drawn.source != number else drawn
        unique = source.digest[:16].hex()
        taken = self.created(drawn.source)
        if drawn.source != number:
            original = self.asset(drawn.source)
            offset, location = original.utc_offset, original.location
        details = details_of(taken, offset, unique, drawn.kind == "live", location)
        name = f"IMG_{9999 - drawn.source % 9999:04d}"
        natural = int.from_bytes(source.digest[14:16], "big") * 2
        files = [make_file("original", drawn.form, name, unique, self._size, natural, details)]
        for role, form in drawn.extras:
            edited = role.startswith("edited")
            # Edits belong to the asset, everything else to the shared original.
            owner = drawn.digest[:16].hex() if edited else unique
            stem = name.replace("IMG_", "IMG_E") if edited else name
            files.append(
                make_file(role, form, stem, f"{owner}/{role}", None, natural // 2, details)
            )
        return tuple(files)

    def _shape(self, digest: bytes) -> Shape:
        draw = int.from_bytes(digest[:2], "big")
        for share, shape in self._shapes:
            if draw < share:
                return shape
            draw -= share
        return self._shapes[0][1]

    def _burst(self, number: int) -> str | None:
        block = self.digest(number // _BURST, b"burst")
        return str(UUID(bytes=block[:16])).upper() if block[16] < 4 else None

    def _source(self, number: int, digest: bytes, burst: str | None) -> int:
        before = number - 1
        if burst or number % _BURST == 0 or digest[16] >= 4 or self._burst(before):
            return number
        return before if self.digest(before)[16] >= 4 else number
