"""Names: valid on every system, inside the folder, paired, and the same every time."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathvalidate import is_valid_filename

from connectors.base import Asset, Kind, Metadata, Resource, Role
from connectors.errors import Misconfigured
from connectors.spelling import folded
from pipeline.naming import Template, apart, beside, lead, part, suffix_for

TAKEN = datetime(2021, 12, 31, 23, 30, tzinfo=UTC)

awkward = st.sampled_from(
    [
        "../../x", "..", ".", "", "/", "\\", "C:\\x", "CON", "con.jpg", "AUX .jpg", "COM¹.jpg",
        "conin$", "x" * 300, "é" * 200, "e\u0301.jpg", "a?b:c.jpg", "\u202egpj.exe", "a\0b",
        ".outpour-1.jpg", "~$x.jpg", "a. .", " lead", "trail ", "\ud800", "👩‍👩‍👧.jpg", "<\u0338",
        "IMG_1.JPG", "img_1.jpg", ".jpg", "a.b c", "x." + "y" * 40, "\u200d", "ﷺ.jpg", "NUL",
        "a\u00ad\u0301", "CON\u200d", "．．", ". ..", "\u2028", "\u3000x\u3000",
    ]
)  # fmt: skip
names = st.one_of(awkward, st.text(max_size=300), st.builds("{}.{}".format, awkward, awkward))
roles = st.sampled_from(list(Role))
templates = st.sampled_from(
    [
        "{filename}",
        "{created:%Y/%m}/{filename}",
        "{library}/{kind}/{year}-{month}-{day} {stem}.{ext}",
        "{asset_id}/{created:%H %M}{filename}",
        "{filename}/{ext}/x{asset_id}.{ext}",
    ]
)

STEMS = (
    "{filename}",
    "{created:%Y/%m}/{filename}",
    "{kind}/{year} {filename}",
    "x{asset_id}.{ext}",
)


@st.composite
def assets(draw: st.DrawFn) -> Asset:
    resources = draw(st.lists(st.builds(lambda n, r: (n, r), names, roles), min_size=1, max_size=7))
    return Asset(
        draw(names),
        draw(st.sampled_from(list(Kind))),
        draw(st.none() | st.datetimes(timezones=st.just(UTC))),
        tuple(Resource(str(n), role, name, 1) for n, (name, role) in enumerate(resources)),
        Metadata(utc_offset=draw(st.none() | st.integers(-(10**6), 10**6))),
        library=draw(names),
    )


def assert_valid(name: str) -> None:
    assert name == unicodedata.normalize("NFC", name)
    assert 1 <= len(name.encode()) <= 240
    # An independent judge, which knows the reserved names and characters of each system.
    assert is_valid_filename(name, platform="universal", max_len=255)
    assert not set(name) & set('<>:"/\\|?*')
    assert all(c in "\u200c\u200d" or unicodedata.category(c) not in ("Cc", "Cf") for c in name)
    assert name not in (".", "..") and name[0] not in ". " and name[-1] not in ". "


@given(names)
def test_a_part_is_valid_everywhere_and_stays_as_it_is(text: str) -> None:
    name = part(text)
    assert_valid(name)
    assert part(name) == name


@given(assets(), templates, st.sampled_from(["", suffix_for("x")]))
def test_paths_are_valid_inside_the_folder_and_never_clash(
    asset: Asset, template: str, suffix: str
) -> None:
    paths = Template(template).paths(asset, asset.resources, suffix)
    assert set(paths) == {resource.id for resource in asset.resources}
    for path in paths.values():
        for name in path.split("/"):
            assert_valid(name)
    assert len({folded(path) for path in paths.values()}) == len(paths)


@given(assets(), templates)
def test_files_of_one_asset_are_neighbours_with_one_stem(asset: Asset, template: str) -> None:
    suffix = suffix_for("x")
    paths = Template(template).paths(asset, asset.resources, suffix).values()
    assert len({path.rpartition("/")[0] for path in paths}) == 1
    stems = {path.rpartition("/")[2].partition(suffix)[0] for path in paths}
    assert len(stems) == 1


@given(assets(), templates, st.data())
def test_a_name_does_not_depend_on_which_files_are_wanted(
    asset: Asset, template: str, data: st.DataObject
) -> None:
    every = Template(template).paths(asset, asset.resources)
    some = data.draw(st.lists(st.sampled_from(asset.resources), unique=True))
    assert Template(template).paths(asset, some) == {r.id: every[r.id] for r in some}


@given(assets(), st.sampled_from(STEMS), st.sampled_from(STEMS))
def test_what_comes_later_stands_beside_what_an_earlier_template_named(
    asset: Asset, earlier: str, later: str
) -> None:
    then = Template(earlier).paths(asset, asset.resources)
    now = Template(later).paths(asset, asset.resources)
    first = asset.resources[0].id
    assert {key: beside(path, now[first], then[first]) for key, path in now.items()} == then


@given(assets(), templates)
def test_names_that_get_a_suffix_later_are_valid_too_and_never_clash(
    asset: Asset, template: str
) -> None:
    paths = Template(template).paths(asset, asset.resources)
    first, suffix = paths[lead(asset.resources).id], suffix_for("x")
    later = [apart(path, first, suffix) for path in paths.values()]
    for path in later:
        assert_valid(path.rpartition("/")[2])
        assert f"-{suffix}" in path
    assert len({folded(path) for path in later} | {folded(path) for path in paths.values()}) == (
        2 * len(paths)
    )


@given(st.sets(st.text(max_size=20), min_size=2, max_size=5), names)
def test_distinct_assets_get_distinct_names_when_set_apart(keys: set[str], name: str) -> None:
    made = set()
    for key in keys:
        asset = Asset(key, Kind.PHOTO, None, (Resource("o", Role.ORIGINAL, name, 1),))
        (path,) = Template("{filename}").paths(asset, asset.resources, suffix_for(key)).values()
        made.add(folded(path))
    assert len(made) == len(keys)


def one(
    template: str = "{created:%Y/%m}/{filename}",
    suffix: str = "",
    *,
    filename: str = "IMG_1.HEIC",
    created: datetime | None = TAKEN,
    offset: int | None = None,
    library: str = "",
) -> str:
    asset = Asset(
        "A-1",
        Kind.PHOTO,
        created,
        (Resource("o", Role.ORIGINAL, filename, 1),),
        Metadata(utc_offset=offset),
        library=library,
    )
    return Template(template).paths(asset, asset.resources, suffix)["o"]


def test_the_roles_of_an_asset() -> None:
    files = {
        "edit": (Role.EDITED, "FullSizeRender.JPG"),
        "still": (Role.ORIGINAL, "IMG_1.HEIC"),
        "live": (Role.LIVE_VIDEO, "IMG_1.MOV"),
        "edit live": (Role.EDITED_LIVE_VIDEO, "FullSizeRender.mov"),
        "raw": (Role.RAW, "IMG_1.DNG"),
        "aae": (Role.SIDECAR, "IMG_1.AAE"),
        "xmp": (Role.SIDECAR, "IMG_1.xmp"),
        "second raw": (Role.RAW, "other.dng"),
    }
    resources = tuple(Resource(key, role, name, 1) for key, (role, name) in files.items())
    asset = Asset("A-1", Kind.LIVE, TAKEN, resources)
    paths = Template("{created:%Y}/{filename}").paths(asset, resources, "k7q2m9xa")
    assert paths == {
        "edit": "2021/IMG_1-k7q2m9xa-edited.JPG",
        "still": "2021/IMG_1-k7q2m9xa.HEIC",
        "live": "2021/IMG_1-k7q2m9xa.MOV",
        "edit live": "2021/IMG_1-k7q2m9xa-edited.mov",
        "raw": "2021/IMG_1-k7q2m9xa.DNG",
        "aae": "2021/IMG_1-k7q2m9xa.AAE",
        "xmp": "2021/IMG_1-k7q2m9xa.xmp",
        "second raw": "2021/IMG_1-k7q2m9xa-2.dng",
    }


def test_dates_are_those_of_the_place_of_capture() -> None:
    assert one() == "2021/12/IMG_1.HEIC"
    assert one(offset=3600) == "2022/01/IMG_1.HEIC"
    assert one(offset=-3600) == "2021/12/IMG_1.HEIC"
    assert one(created=datetime.max.replace(tzinfo=UTC), offset=3600) == "9999/12/IMG_1.HEIC"


def test_a_year_has_four_digits() -> None:
    """Some cameras whose clock was never set say that it is the year 5."""
    ancient = datetime(5, 4, 2, tzinfo=UTC)
    assert one(created=ancient) == "0005/04/IMG_1.HEIC"
    assert one("{created:%Y%%Y-%G}/{filename}", created=ancient) == "0005%Y-0005/IMG_1.HEIC"
    assert one("{year}/{filename}", created=ancient) == "0005/IMG_1.HEIC"


def test_assets_without_a_date_have_one_folder() -> None:
    assert one(created=None) == "undated/IMG_1.HEIC"
    assert one("{year}/{month}/x/{filename}", created=None) == "undated/x/IMG_1.HEIC"
    assert one("{created:%Y%m%d}_{filename}", created=None) == "undated_IMG_1.HEIC"


@pytest.mark.parametrize(
    ("filename", "path"),
    [
        ("../../x", "__.._x"),
        ("../../etc/passwd.jpg", "__.._etc_passwd.jpg"),
        ("CON", "CON_"),
        ("con.JPG", "con_.JPG"),
        ("AUX .x.jpg", "AUX_.x.jpg"),
        ("x" * 300 + ".jpg", "x" * 200 + ".jpg"),
        ("é" * 300 + ".heic", "é" * 100 + ".heic"),
        ("a?b:c.jpg", "a_b_c.jpg"),
        ("a\u202egpj.exe", "agpj.exe"),
        (".outpour-1.jpg", "_outpour-1.jpg"),
        (" .jpg", "_.jpg"),
        (".jpg", "_jpg"),
        ("cafe\u0301.jpg", "café.jpg"),
        ("two.dots.tar.gz", "two.dots.tar.gz"),
        ("no extension", "no extension"),
        ("Dr. Who at the fair", "Dr. Who at the fair"),
        ("", "_"),
        ("...", "_"),
        ("👩‍👩‍👧.jpg", "👩‍👩‍👧.jpg"),
    ],
)
def test_awkward_names(filename: str, path: str) -> None:
    assert one("{filename}", filename=filename) == path


def test_no_field_can_climb_out() -> None:
    assert one("{library}/{filename}", library="../..") == "__/IMG_1.HEIC"
    assert one("{library}/{filename}", library="/etc") == "_etc/IMG_1.HEIC"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("", "empty"),
        ("/{filename}", "relative"),
        ("~/{filename}", "relative"),
        ("C:/{filename}", "relative"),
        ("../{filename}", "'..'"),
        ("x/../{filename}", "'..'"),
        ("x//{filename}", "empty part"),
        ("x\\{filename}", "not every system"),
        ("{created:%Y}", "must end with {filename}"),
        ("{filename}.bak", "must end with {filename}"),
        (".{ext}", "must end with {filename}"),
        ("{album}/{filename}", "unknown field {album}"),
        ("{created.year}/{filename}", "unknown field"),
        ("{filename!r}", "unknown field"),
        ("{}/{filename}", "unknown field"),
        ("{filename", "expected '}'"),
        ("{kind:x}/{filename}", "nothing after a colon"),
        ("{created:YYYY}/{filename}", "no date style"),
        ("{created:%Q}/{filename}", "no date style"),
        ("{created:%Y%}/{filename}", "no date style"),
    ],
)
def test_a_wrong_template_is_one_clear_line(template: str, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Template(template)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_folded_is_what_some_system_takes_for_one() -> None:
    assert folded("IMG_É.JPG") == folded("img_e\u0301.jpg")
    assert folded("a/b.jpg") != folded("a/c.jpg")


@pytest.mark.parametrize("suffix", ["", "k7q2m9xa"])
def test_a_sidecar_named_after_a_whole_file_stays_so(suffix: str) -> None:
    """Programs look for ``IMG_1.HEIC.xmp``, and never open it under another name."""
    files = {
        "IMG_1.HEIC": Role.ORIGINAL,
        "IMG_1-edited.HEIC": Role.EDITED,
        "img_1.heic.xmp": Role.SIDECAR,
        "IMG_1.xmp": Role.SIDECAR,
        "IMG_1-edited.HEIC.xmp": Role.SIDECAR,
    }
    resources = tuple(Resource(name, role, name, 1) for name, role in files.items())
    asset = Asset("a", Kind.PHOTO, TAKEN, resources)
    mark = f"-{suffix}" if suffix else ""
    assert Template("{filename}").paths(asset, resources, suffix) == {
        "IMG_1.HEIC": f"IMG_1{mark}.HEIC",
        "IMG_1-edited.HEIC": f"IMG_1{mark}-edited.HEIC",
        "img_1.heic.xmp": f"IMG_1{mark}.HEIC.xmp",
        "IMG_1.xmp": f"IMG_1{mark}.xmp",
        "IMG_1-edited.HEIC.xmp": f"IMG_1{mark}-edited.HEIC.xmp",
    }
