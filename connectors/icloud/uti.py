"""Apple's uniform type identifiers: extension, media type, and what is video or RAW."""

from __future__ import annotations

from connectors.base import Kind

_TYPES: dict[str, tuple[str, str]] = {
    "public.jpeg": (".JPG", "image/jpeg"),
    "public.heic": (".HEIC", "image/heic"),
    "public.heif": (".HEIF", "image/heif"),
    "public.heics": (".HEICS", "image/heic-sequence"),
    "public.avif": (".AVIF", "image/avif"),
    "public.png": (".PNG", "image/png"),
    "public.tiff": (".TIFF", "image/tiff"),
    "public.jpeg-2000": (".JP2", "image/jp2"),
    "public.jpeg-xl": (".JXL", "image/jxl"),
    "com.compuserve.gif": (".GIF", "image/gif"),
    "com.microsoft.bmp": (".BMP", "image/bmp"),
    "org.webmproject.webp": (".WEBP", "image/webp"),
    "public.webp": (".WEBP", "image/webp"),
    "com.apple.quicktime-movie": (".MOV", "video/quicktime"),
    "public.mpeg-4": (".MP4", "video/mp4"),
    "com.apple.m4v-video": (".M4V", "video/x-m4v"),
    "public.3gpp": (".3GP", "video/3gpp"),
    "public.avi": (".AVI", "video/x-msvideo"),
    "public.mpeg": (".MPG", "video/mpeg"),
    "public.mpeg-2-video": (".MPG", "video/mpeg"),
    "com.adobe.xmp": (".XMP", "application/rdf+xml"),
    "com.apple.adjustment-data": (".AAE", "application/xml"),
    "com.apple.photos.apple-adjustment-envelope": (".AAE", "application/xml"),
}

_RAW: dict[str, str] = {
    "com.adobe.raw-image": ".DNG",
    "com.apple.raw-image": ".DNG",
    "com.canon.cr2-raw-image": ".CR2",
    "com.canon.cr3-raw-image": ".CR3",
    "com.canon.crw-raw-image": ".CRW",
    "com.fuji.raw-image": ".RAF",
    "com.nikon.raw-image": ".NEF",
    "com.nikon.nrw-raw-image": ".NRW",
    "com.olympus.raw-image": ".ORF",
    "com.olympus.or-raw-image": ".ORF",
    "com.panasonic.raw-image": ".RAW",
    "com.panasonic.rw2-raw-image": ".RW2",
    "com.pentax.raw-image": ".PEF",
    "com.samsung.raw-image": ".SRW",
    "com.sony.raw-image": ".ARW",
    "com.sony.arw-raw-image": ".ARW",
    "com.hasselblad.3fr-raw-image": ".3FR",
    "com.leica.raw-image": ".RAW",
    "com.leica.rwl-raw-image": ".RWL",
}

_VIDEO_EXTENSIONS = {".mov", ".mp4", ".m4v", ".3gp", ".avi", ".mpg", ".mpeg", ".mts", ".webm"}


def extension(uti: str | None, otherwise: str = "") -> str:
    """The usual extension with its dot, in capitals as cameras write it."""
    if uti in _RAW:
        return _RAW[uti]
    return _TYPES[uti][0] if uti in _TYPES else otherwise


def media_type(uti: str | None) -> str | None:
    if uti in _RAW:
        return "image/x-" + _RAW[uti][1:].lower()
    return _TYPES[uti][1] if uti in _TYPES else None


def is_raw(uti: str | None) -> bool:
    return uti is not None and (uti in _RAW or uti.endswith("raw-image"))


def is_video(uti: str | None, filename: str) -> bool:
    if uti in _TYPES:
        return _TYPES[uti][1].startswith("video/")
    if uti is not None and ("movie" in uti or "video" in uti):
        return True
    dot = filename.rfind(".")
    return not is_raw(uti) and dot >= 0 and filename[dot:].lower() in _VIDEO_EXTENSIONS


def kind(uti: str | None, filename: str, *, moving: bool) -> Kind:
    """``moving``: the still comes with a video of its own."""
    if is_video(uti, filename):
        return Kind.VIDEO
    return Kind.LIVE if moving else Kind.PHOTO
