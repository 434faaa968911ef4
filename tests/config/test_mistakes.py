"""Promise: bad input gives one clear line that names file, line and key, and starts nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import Misconfigured
from pipeline.config.load import load
from tests.config.writing import written

PLACES = "source: memory:a\nsinks: [./Photos]\n"

MISTAKES = {
    "unknown key": (
        "source: memory:a\nsinks:\n  - {type: local, pth: ./Photos}\n",
        "p.yaml:3: sinks[0].pth: unknown key; did you mean 'path'?",
    ),
    "unknown key at the top": (
        PLACES + "slect: {}\n",
        "p.yaml:3: slect: unknown key; did you mean 'select'?",
    ),
    "unknown key inside": (
        PLACES + "limits:\n  upload: 3\n",
        "p.yaml:4: limits.upload: unknown key; did you mean 'uploads'?",
    ),
    "wrong type": (
        PLACES + "limits: {uploads: eight}\n",
        "p.yaml:3: limits.uploads: must be a whole number, not 'eight'",
    ),
    "not a mapping": (
        PLACES + "verify: 7\n",
        "p.yaml:3: verify: must be 'key: value' lines below it, not 7",
    ),
    "out of range": (
        PLACES + "limits: {uploads: 0}\n",
        "p.yaml:3: limits.uploads: must be greater",
    ),
    "bits a second": (
        PLACES + "limits: {upload_rate: 20Mbit/s}\n",
        "p.yaml:3: limits.upload_rate: '20Mbit/s' is no rate; write bytes a second",
    ),
    "no rate worth the name": (
        PLACES + "limits: {download_rate: 5}\n",
        "p.yaml:3: limits.download_rate: must be greater than or equal to 1000",
    ),
    "bad size": (PLACES + "staging: {size: 4XB}\n", "p.yaml:3: staging.size: '4XB' is no size"),
    "bad date": (
        PLACES + "select: {since: 2020-02-30}\n",
        "p.yaml:3: select.since: '2020-02-30' is no date; write for example 2020-01-31",
    ),
    "text for a date": (
        PLACES + "select: {since: yesterday}\n",
        "p.yaml:3: select.since: 'yesterday' is no date; write for example 2020-01-31",
    ),
    "dates in the wrong order": (
        PLACES + "select: {since: 2021-01-01, until: 2020-01-01}\n",
        "p.yaml:3: select: since must be earlier than until",
    ),
    "unknown kind": (
        PLACES + "select: {kinds: foto}\n",
        "p.yaml:3: select.kinds: must be 'photo', 'video' or 'live', not 'foto'",
    ),
    "unknown connector": (
        "source: memory:a\nsinks:\n  - {type: locl, path: x}\n",
        "p.yaml:3: sinks[0].type: unknown connector 'locl'; did you mean 'local'?",
    ),
    "unknown connector in short": (
        "source: memry:a\nsinks: [./Photos]\n",
        "p.yaml:1: source.type: unknown connector 'memry'; did you mean 'memory'?",
    ),
    "no sinks": ("source: memory:a\n", "p.yaml: sinks: is needed"),
    "empty sinks": (
        "source: memory:a\nsinks: []\n",
        "p.yaml:2: sinks: must name at least one",
    ),
    "no type": ("source: memory:a\nsinks: [{path: x}]\n", "p.yaml:2: sinks[0].type: is needed"),
    "setting left out": (
        "source: memory:a\nsinks: [{type: local}]\n",
        "p.yaml:2: sinks[0].path: is needed",
    ),
    "a folder without a name": (
        "source: memory:a\nsinks: ['local:']\n",
        "p.yaml:2: sinks[0].path: is needed",
    ),
    "an empty folder": (
        "source: memory:a\nsinks: [{type: local, path: ' '}]\n",
        "p.yaml:2: sinks[0].path: is needed",
    ),
    "two of one name": (
        "source: memory:a\nsinks: [./A, ./B]\n",
        "p.yaml:2: sinks[1]: another place is called 'local' already; give this one a name:",
    ),
    "the same source again": (
        "source: [memory:a, memory:b, memory:a]\nsinks: [./A]\n",
        "p.yaml:1: source[2]: is named twice",
    ),
    "into itself": (
        "source: ./A\nsinks: [./A/Backup]\n",
        "p.yaml:2: sinks[0]: lies within the source, which would list its copies as new: "
        "choose a folder outside",
    ),
    "onto itself by another way": (
        "source: ./A\nsinks: [./B/../A]\n",
        "p.yaml:2: sinks[0]: is the source itself",
    ),
    "one folder under two names": (
        "source: memory:a\nsinks: [./A, {type: local, name: usb, path: ./B/../A}]\n",
        "p.yaml:2: sinks[1]: 'usb' is the same place as 'local': name it once",
    ),
    "one folder in two spellings": (
        "source: memory:a\nsinks: ['dropbox:/Photos', {type: dropbox, name: b, folder: /photos}]\n",
        "p.yaml:2: sinks[1]: 'b' is the same place as 'dropbox': name it once",
    ),
    "one shared drive by two people": (
        "source: memory:a\nsinks:\n- {type: gdrive, drive: 0A, folder: P}\n"
        "- {type: gdrive, name: b, drive: 0A, folder: P, account: work}\n",
        "p.yaml:4: sinks[1]: 'b' is the same place as 'gdrive': name it once",
    ),
    "one account under two names": (
        "source: memory:a\nsinks: [gdrive, {type: gdrive, name: again, folder: Outpour}]\n",
        "p.yaml:2: sinks[1]: 'again' is the same place as 'gdrive': name it once",
    ),
    "nobody's home": (
        "source: ~nobody-of-this-name/Photos\nsinks: [./A]\n",
        "p.yaml:1: source.path: no user here is called 'nobody-of-this-name'; write the folder out",
    ),
    "a variable of the shell in a place": (
        "source: memory:a\nsinks: [./$HOME/st]\n",
        "p.yaml:2: sinks[0].path: '$HOME' is not filled in; write the folder out, or ~",
    ),
    "a place that begins with a variable of the shell": (
        "source: memory:a\nsinks: [$HOME/st]\n",
        "p.yaml:2: sinks[0].path: '$HOME' is not filled in; write the folder out, or ~",
    ),
    "a place that is a variable of the shell": (
        "source: $PHOTOS\nsinks: [./A]\n",
        "p.yaml:1: source.path: '$PHOTOS' is not filled in; write the folder out, or ~",
    ),
    "a variable of the shell in staging": (
        PLACES + "staging: {path: '${HOME}/st'}\n",
        "p.yaml:3: staging.path: '${HOME}' is not filled in; write it out",
    ),
    "an album that is a number": (
        PLACES + "select: {albums: 2019}\n",
        "p.yaml:3: select.albums: 2019 is read as a number; put it in quotes, in a list",
    ),
    "one album of several that is a date": (
        PLACES + "select: {albums: [Trips, 2019-07-01]}\n",
        "p.yaml:3: select.albums: 2019-07-01 is read as a date; put it in quotes, in a list",
    ),
    "an album that is an answer": (
        PLACES + "select: {albums: yes}\n",
        "p.yaml:3: select.albums: True is read as true or false; put it in quotes, in a list",
    ),
    "no albums": (
        PLACES + "select: {albums: []}\n",
        "p.yaml:3: select.albums: must name at least one; leave it out for all",
    ),
    "no kinds": (
        PLACES + "select: {kinds: []}\n",
        "p.yaml:3: select.kinds: must name at least one; leave it out for all",
    ),
    "a number to the base of 60": (
        PLACES + "select: {max_size: 1:30}\n",
        "p.yaml:3: select.max_size: '1:30' is no size",
    ),
    "a part of a byte": (
        PLACES + "select: {min_size: 0.5}\n",
        "p.yaml:3: select.min_size: 0.5 is no size",
    ),
    "before all time": (
        PLACES + "select: {since: 0001-01-01}\n",
        "p.yaml:3: select.since: 0001-01-01 is too far back; leave it out for no limit",
    ),
    "a settings key of our own": (
        "source: memory:a\nsinks: [{type: local, path: ./A, '@': ./B}]\n",
        "p.yaml:2: sinks[0].@: unknown key; known are name, path, readback, type",
    ),
    "the end of time": (
        PLACES + "select: {until: 9999-12-31}\n",
        "p.yaml:3: select.until: 9999-12-31 is too far off; leave it out for no limit",
    ),
    "a share that may be two": (
        PLACES + "when: {local: {used_above: 0.95}}\n",
        "p.yaml:3: when: 0.95 may mean two things; write 95% or 0.95%",
    ),
    "onto itself": ("source: ./A\nsinks: [./A]\n", "p.yaml:2: sinks[0]: is the source itself"),
    "onto itself, written another way": (
        "source: icloud:ann@example.com\nsinks: ['icloud:Ann@Example.com']\n",
        "p.yaml:2: sinks[0]: is the source itself",
    ),
    "onto itself, listed another way": (
        "source: {type: icloud, account: a@b.c, library: all}\nsinks: ['icloud:a@b.c']\n",
        "p.yaml:2: sinks[0]: is the source itself",
    ),
    "escaping template": (
        PLACES + "path: '../{filename}'\n",
        "p.yaml:3: path: path template '../{filename}' has",
    ),
    "absolute template": (
        PLACES + "path: '/{filename}'\n",
        "p.yaml:3: path: path template '/{filename}' must be relative",
    ),
    "unknown field in the template": (
        PLACES + "path: '{fielname}'\n",
        "p.yaml:3: path: path template '{fielname}' has an unknown field",
    ),
    "a name that is a path": (PLACES + "name: ../up\n", "p.yaml:3: name: must look like"),
    "a name of ledgers": (PLACES + "name: a.SQLite\n", "'a.SQLite' is how a ledger's own files"),
    "key twice": (PLACES + "name: a\nname: b\n", "p.yaml:4: name: given twice, first in line 3"),
    "bracket left open": (
        "source: memory:a\nsinks: [./A\nname: b\n",
        "p.yaml:3: is not valid YAML",
    ),
    "a list": ("- source\n", "p.yaml:1: must be 'key: value' lines"),
    "empty": ("", "p.yaml: is empty"),
    "copies that mean nothing": (
        PLACES + "route: {to: all, copies: 1}\n",
        "p.yaml:3: route.copies: goes with to: first or to: spread",
    ),
    "a share above all": (
        PLACES + "when: {local: {used_above: 120%}}\n",
        "p.yaml:3: when: ",
    ),
    "a threshold for nobody": (
        PLACES + "when: {lokal: {used_above: 90%}}\n",
        "p.yaml:3: when.lokal: no place is called 'lokal'; did you mean 'local'?",
    ),
    "more copies than places": (
        PLACES + "route: {to: first, copies: 2}\n",
        "p.yaml:3: route.copies: asks for 2 copies, but there is 1 sink",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_by_line_and_key(case: str, tmp_path: Path) -> None:
    text, expected = MISTAKES[case]
    with pytest.raises(Misconfigured) as raised:
        load(written(tmp_path, text))
    lines = str(raised.value).replace(f"{tmp_path}/", "").splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(expected)


def test_all_mistakes_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "nme: x\n" + PLACES + "verify: {attempts: many}\n"
    with pytest.raises(Misconfigured) as raised:
        load(written(tmp_path, text))
    keys = [line.split(": ")[1] for line in str(raised.value).splitlines()]
    assert keys == ["nme", "verify.attempts"]


@pytest.mark.parametrize("key", ["password", "app_password", "token", "client_secret", "api_key"])
@pytest.mark.parametrize(
    "text",
    [
        PLACES + "KEY: hunter2\n",
        "source: {type: memory, store: a, KEY: hunter2}\nsinks: [./A]\n",
        "source: memory:a\nsinks:\n  - {type: local, path: x, KEY: hunter2}\n",
        PLACES + "select: {KEY: hunter2}\n",
    ],
    ids=["top", "source", "sink", "part"],
)
def test_a_secret_is_refused_and_not_repeated(text: str, key: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as raised:
        load(written(tmp_path, text.replace("KEY", key)))
    message = str(raised.value)
    assert f"{key}' must not stand here; remove it: 'outpour connect' asks" in message
    assert "hunter2" not in message


def test_a_secret_in_a_variable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTPOUR_SOURCE__PASSWORD", "hunter2")
    text = "source: {type: memory, store: a}\nsinks: [./A]\n"
    with pytest.raises(Misconfigured, match="'OUTPOUR_SOURCE__PASSWORD' must not stand here"):
        load(written(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OUTPOUR_LIMITS__UPLOADS", "many", "OUTPOUR_LIMITS__UPLOADS: must be a whole number"),
        ("OUTPOUR_LIMTS__UPLOADS", "3", "OUTPOUR_LIMTS__UPLOADS: unknown variable"),
        ("OUTPOUR_LIMIT", "1", "OUTPOUR_LIMIT: unknown variable; did you mean 'limits'?"),
        (
            "OUTPOUR_LIMITS_UPLOADS",
            "1",
            "OUTPOUR_LIMITS_UPLOADS: unknown variable; two underscores stand between keys",
        ),
        ("OUTPOUR_SINKS__CLOUD__PATH", "x", "OUTPOUR_SINKS__CLOUD__PATH: no place is called"),
        (
            "OUTPOUR_SINKS__7__PATH",
            "x",
            "OUTPOUR_SINKS__7__PATH: there is no place 7; the first of sinks is 0, the last 0",
        ),
        ("OUTPOUR_SINKS__LOCAL__PTH", "x", "OUTPOUR_SINKS__LOCAL__PTH: unknown key; did you"),
        ("OUTPOUR_SELECT", "{max_size: 1:30}", "'1:30' is no size"),
        ("OUTPOUR_SELECT", "[" * 1000, "OUTPOUR_SELECT: is nested too deeply"),
        ("OUTPOUR_SELECT", "[", "OUTPOUR_SELECT"),
        ("OUTPOUR_PATH", "{filename} ${who}", "OUTPOUR_PATH: '${who}' is filled in only in a"),
    ],
)
def test_a_mistake_in_a_variable_names_it(
    name: str, value: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured) as raised:
        load(written(tmp_path, PLACES))
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    "name",
    ["OUTPOUR_DEBUG", "OUTPOUR_GDRIVE_CLIENT_ID", "OUTPOUR_ICLOUD_PASSWORD", "OUTPOUR_VERSION"],
)
def test_variables_that_are_no_keys_are_left_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = load(written(tmp_path, PLACES))
    monkeypatch.setenv(name, "x")
    assert load(written(tmp_path, PLACES)) == without


BOMBS = {
    "deep": ("name: " + "[" * 3000, "p.yaml: is nested too deeply"),
    "deep by hand": ("".join(" " * n + "a:\n" for n in range(1500)), "too deeply"),
    "wide": (
        "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)),
        "p.yaml: holds too much; aliases multiply what they stand for",
    ),
}


@pytest.mark.wide
@pytest.mark.parametrize("case", BOMBS)
def test_a_file_made_to_exhaust_the_reader_is_one_line(case: str, tmp_path: Path) -> None:
    text, expected = BOMBS[case]
    with pytest.raises(Misconfigured) as raised:
        load(written(tmp_path, text))
    assert expected in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1 and len(str(raised.value)) < 500


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name, expected in (
        ("missing.yaml", "no such file"),
        ("", "is a folder"),
        ("binary.yaml", "not a text file"),
    ):
        with pytest.raises(Misconfigured, match=expected):
            load(tmp_path / name)
