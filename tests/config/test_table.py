"""Promise: a pipeline file with a table means one pipeline for each row, and a mistake in either
is named by file and line before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import Misconfigured
from pipeline.config.load import load, load_all

PIPELINE = """\
each: staff.csv
source: memory:${account}
sinks:
  - memory:archive
  - {type: local, path: "./Photos/${who} and more"}
select: {since: "${since}"}
"""
STAFF = """\
account,who,since
ann@example.com,Ann,2015-01-01
bob@example.com,"Bob, Jr.",2020-06-30
"""


@pytest.fixture
def staff(tmp_path: Path) -> Path:
    (tmp_path / "staff.csv").write_text(STAFF)
    path = tmp_path / "staff.yaml"
    path.write_text(PIPELINE)
    return path


def test_each_row_is_a_pipeline_with_a_ledger_of_its_own(staff: Path) -> None:
    (first, ann), (second, bob) = load_all(staff)
    assert (first, second) == ("ann@example.com", "bob@example.com")
    assert (ann.name, bob.name) == ("staff-ann@example.com", "staff-bob@example.com")
    assert bob.sources[0].identity == ["memory", "bob@example.com"]
    assert bob.sinks[0].identity == ["memory", "archive"]
    assert bob.sinks[1].identity == ["local", str(staff.parent / "Photos/Bob, Jr. and more")]
    assert str(bob.select.since).startswith("2020-06-30")


def test_a_row_is_chosen_by_its_first_cell(staff: Path) -> None:
    assert load(staff, "Bob@Example.com").name == "staff-bob@example.com"


@pytest.mark.parametrize(
    "text",
    [
        STAFF.replace(",", ";").replace("Bob; Jr.", "Bob, Jr."),
        STAFF.replace("\n", "\r\n"),
        "\ufeff" + STAFF + "\n\n",
        STAFF.replace(",", "\t").replace("Bob\t Jr.", "Bob, Jr."),
        'account,who,since,5" disk\n'
        + STAFF.partition("\n")[2].replace("01\n", '01,"a;b;c;d;e"\n').replace("30\n", "30,\n"),
        '\n"sep=|"\n' + STAFF.replace(",", "|").replace("Bob| Jr.", "Bob, Jr."),
        "sep=;\r\n" + STAFF.replace(",", ";").replace("Bob; Jr.", "Bob, Jr."),
        "\n;;\n" + STAFF.replace(",", ";").replace("Bob; Jr.", "Bob, Jr."),
        STAFF.replace(",", ", ").replace("Bob,  Jr.", "Bob, Jr."),
        STAFF.replace("account,who,since", 'account;who;since;"a, b, c, d"')
        .replace("01\n", "01,\n")
        .replace("30\n", "30,\n")
        .replace(",", ";")
        .replace("Bob; Jr.", "Bob, Jr.")
        .replace("a; b; c; d", "a, b, c, d"),
    ],
    ids=[
        "semicolons",
        "windows",
        "mark and empty lines",
        "tabs",
        "a quote that opens no cell",
        "another separator told",
        "the separator told",
        "a blank line first",
        "spaces before quotes",
        "commas within quotes",
    ],
)
def test_tables_as_spreadsheets_write_them(staff: Path, text: str) -> None:
    (staff.parent / "staff.csv").write_bytes(text.encode())
    plain = [(row, made.describe()) for row, made in load_all(staff)]
    assert [row for row, _ in plain] == ["ann@example.com", "bob@example.com"]
    assert "Bob, Jr. and more" in str(plain[1])


def test_the_name_of_the_file_may_be_another(staff: Path) -> None:
    staff.write_text(PIPELINE + "name: Move of 2026\n")
    assert next(made.name for _, made in load_all(staff)) == "Move of 2026-ann@example.com"


def test_a_cell_is_text_and_never_more_yaml(staff: Path) -> None:
    cell = "x}, {type: local, path: ./elsewhere"
    (staff.parent / "staff.csv").write_text(f'account,who,since\nann,"{cell}",2015-01-01\n')
    _, sink = load(staff, "ann").sinks
    assert sink.identity == ["local", str(staff.parent / f"Photos/{cell} and more")]


@pytest.mark.parametrize("each", ["", "each:\n", "each: ''\n"])
def test_without_a_table_nothing_would_be_filled_in(tmp_path: Path, each: str) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(f"sinks: ['./out of ${{account}}']\nsource: memory:a\n{each}")
    for read in (load, load_all):
        with pytest.raises(Misconfigured, match=r"one.yaml:1: sinks\[0\]: '\$\{account\}' is not"):
            read(path)
    path.write_text("source: memory:a\nsinks: [memory:b]\n")
    assert [row for row, _ in load_all(path)] == [None]


def test_half_an_address_is_no_address(staff: Path) -> None:
    """An empty cell would make ./Photos/${who} everybody's folder, or an account any account."""
    (staff.parent / "staff.csv").write_text("account,who,since,note\n,,,\nann,,2015-01-01,\n")
    with pytest.raises(Misconfigured, match=r"staff.csv:3 has nothing in column 'who'"):
        load(staff, "ann")


def test_every_mistake_of_every_row_is_told_once(staff: Path) -> None:
    rows = [f"p{number},Ann,{'soon' if number % 2 else 'later'}" for number in range(50)]
    (staff.parent / "staff.csv").write_text("\n".join(["account,who,since", *rows]) + "\n")
    with pytest.raises(Misconfigured) as caught:
        load_all(staff)
    first, second = str(caught.value).splitlines()
    assert first.startswith("staff.csv:2: p0: ") and first.endswith("(and 24 more rows)")
    assert second.startswith("staff.csv:3: p1: ") and second.endswith("(and 24 more rows)")


def test_people_whose_names_differ_little_are_not_one(staff: Path) -> None:
    keys = [
        "a",
        "a.sqlite",
        "a.SQLITE-wal",
        "a b",
        "a_b",
        "e\u0301va",
        "e\u0300va",
        "กิ",
        "กี",
        "\U0001f600",
        "\U0001f601",
        "a/b",
    ]
    rows = [f'"{key}",x,2015-01-01' for key in keys]
    (staff.parent / "staff.csv").write_text("\n".join(["account,who,since", *rows]) + "\n")
    names = [made.name for _, made in load_all(staff)]
    assert len({name.casefold() for name in names}) == len(keys)
    assert load(staff, "\u00e9va").name == names[5], "typed in another spelling of Unicode"
    assert not any("/" in name or name.casefold().endswith(".sqlite") for name in names)


def test_a_folder_is_called_as_the_table_spells_it(staff: Path) -> None:
    spelt = "e\u0301va"
    (staff.parent / "staff.csv").write_text(f"account,who,since\n{spelt},{spelt},2015-01-01\n")
    assert f"{spelt} and more" in load(staff, spelt).sinks[1].identity[1]


def test_a_row_may_hold_any_character_and_several_lines(staff: Path) -> None:
    text = 'account,who,since\nann,"A\u2028\x85n\nn",2015-01-01\nbob,Bob,soon\n'
    (staff.parent / "staff.csv").write_text(text, newline="")
    with pytest.raises(Misconfigured, match=r"^staff.csv:4: bob: "):
        load_all(staff)
    assert "A\u2028\x85n" in load(staff, "ann").sinks[1].identity[1]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "staff.csv: is empty"),
        ("account,who,since\n", "staff.csv: has no rows"),
        ("account,,since\na,b,c\n", "staff.csv:1: column 2 has no name"),
        ("account,who,who\na,b,c\n", "staff.csv:1: two columns are called 'who'"),
        ("account,who,password\na,b,c\n", "staff.csv:1: 'password' must not stand here"),
        ("account,who,since\nann,Ann\n", "staff.csv:2: has 2 cells, the line of the columns has 3"),
        ("account,who,since\n,Ann,2015-01-01\n", "staff.csv:2: account is empty"),
        (STAFF + "ANN@example.com,x,2015-01-01\n", "staff.csv:4: 'ANN@example.com' stands in line"),
        ('account,who,since\nann,"Ann,2015-01-01\n', "staff.csv:2: is not valid CSV"),
        ("\n,,\n", "staff.csv: is empty"),
        ("sep=;\naccount;who;who\na;b;c\n", "staff.csv:2: two columns are called 'who'"),
        ("account,since\nann,2015-01-01\n", "staff.yaml:5: sinks[1].path: staff.csv has no column"),
        ("account,who,since\nann,Ann,soon\n", "staff.csv:2: ann: "),
        (f"account,who,since\n{'x' * 235},Ann,2015-01-01\n", "too long for the name of a ledger"),
        (b"account,who,since\nj\xf6rg,J,2015-01-01\n", "staff.csv: is not a text file in UTF-8"),
        (b"account,who,since\nann,A\0,2015-01-01\n", "staff.csv: is not a text file"),
        ("pwd,who,since\na,b,c\n", "staff.csv:1: 'pwd' must not stand here"),
        (None, "staff.csv: no such file"),
    ],
)
def test_mistakes_in_a_table(staff: Path, table: str | bytes | None, said: str) -> None:
    path = staff.parent / "staff.csv"
    path.unlink()
    if table is not None:
        path.write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(Misconfigured) as caught:
        load_all(staff)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_row_must_be_said_and_be_there(staff: Path) -> None:
    with pytest.raises(Misconfigured, match=r"for each row of staff.csv") as caught:
        load(staff)
    assert "--for ann@example.com" in caught.value.hint
    with pytest.raises(Misconfigured, match=r"has no row 'ann@example\.co'") as caught:
        load(staff, "ann@example.co")
    assert "ann@example.com" in caught.value.hint
    staff.write_text("source: memory:a\nsinks: [memory:b]\n")
    with pytest.raises(Misconfigured, match="leave out --for"):
        load(staff, "ann@example.com")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("cid@example.com,Cid\n", ""),
        (",Cid,2020-01-01\n", ""),
        ("ANN@example.com,Ann,2020-01-01\n", ""),
        ("cid@example.com,Cid,soon\n", ""),
        ("bob@example.com,Bob,2020-01-01\n", "staff.csv:4: 'bob@example.com' stands in line 3"),
        ("bob@example.com,Bob\n", "staff.csv:4: has 2 cells"),
        ('cid@example.com,"C"id,soon\n', ""),
        ('"cid@example.com,Cid,2020-01-01\n', ""),
    ],
)
def test_a_row_is_not_stopped_by_what_is_wrong_with_others(
    staff: Path, more: str, told: str
) -> None:
    """Somebody may be at work on the table while the rows of a batch begin, one after another."""
    (staff.parent / "staff.csv").write_text(STAFF + more)
    if not told:
        assert load(staff, "bob@example.com").name == "staff-bob@example.com"
    else:
        with pytest.raises(Misconfigured, match=told):
            load(staff, "bob@example.com")
    with pytest.raises(Misconfigured, match=r"staff.csv:4: "):
        load_all(staff)


def test_a_row_below_what_cannot_be_read_is_not_said_to_be_missing(staff: Path) -> None:
    (staff.parent / "staff.csv").write_text(STAFF + '"cid@example.com,Cid,2020-01-01\n')
    with pytest.raises(Misconfigured, match=r"staff.csv:4: is not valid CSV \(a quote is not clo"):
        load(staff, "cid@example.com")


def test_a_file_that_stands_for_many_may_be_called_like_a_ledger(staff: Path) -> None:
    names = [made.name for _, made in load_all(staff.rename(staff.with_name("a.sqlite.yaml")))]
    assert names == ["a.sqlite-ann@example.com", "a.sqlite-bob@example.com"]


def test_each_must_be_text(staff: Path) -> None:
    staff.write_text(PIPELINE.replace("staff.csv", "[staff.csv]"))
    with pytest.raises(Misconfigured, match=r"staff.yaml:1: each: must be text"):
        load_all(staff)


def test_every_row_that_is_not_whole_is_told_and_not_only_the_first(staff: Path) -> None:
    rows = "ann@example.com,Ann\n,x,2020-01-01\nann@example.com,Ann,\nANN@example.com,Ann,\n"
    (staff.parent / "staff.csv").write_text(STAFF.splitlines()[0] + "\n" + rows)
    with pytest.raises(Misconfigured) as caught:
        load_all(staff)
    assert [line.split(": ")[0].rpartition("/")[2] for line in str(caught.value).splitlines()] == [
        "staff.csv:2", "staff.csv:3", "staff.csv:5"
    ]  # fmt: skip
    many = "".join(f"p{number}\n" for number in range(30))
    (staff.parent / "staff.csv").write_text(STAFF.splitlines()[0] + "\n" + many)
    with pytest.raises(Misconfigured, match=r"and 10 more$"):
        load_all(staff)
