import csv
import json

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from confidante.cli.app import run

JSON_TYPES = {
    "sums": int,
    "tasks": list,
    "upload_bytes": int,
    "largest_upload_bytes": int,
    "noise": bool,
    "epsilon": float | None,
    "epsilon_server": float | None,
    "epsilon_release": float | None,
    "delta": float | None,
    "adjacency": str | None,
    "assumes": str | None,
    "devices": int,
    "items": int,
    "engine": str,
    "seed": int,
    "seconds": float,
    "rows_read": int,
    "rows_kept": int,
    "skipped": list,
    "notes": list,
    "k": int,
    "rows": int,
    "without_order": int,
    "short_lists": int,
    "empty_lists": int,
}


HEAD = "user,item,timestamp\n"


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lists(path):
    found = {}
    for row in table(path):
        found.setdefault(row["user"], []).append(row["item"])
        assert int(row["rank"]) == len(found[row["user"]])
    return found


def refuse_constant(text):
    raise AssertionError(f"{text} is no JSON")


def test_everybody_gets_a_list_without_their_own_items(call, shop, tmp_path):
    train, items = shop
    code, out, _ = call("lab", "rank", train, "--items", items, "-k", 7, "--out", tmp_path / "top.csv")
    assert code == 0
    assert "epsilon" in out
    found = lists(tmp_path / "top.csv")
    own = {}
    for row in table(train):
        own.setdefault(row["user"], set()).add(row["item"])
    assert list(found) == list(own)
    for user, best in found.items():
        assert len(set(best)) == 7
        assert not own[user] & set(best)


def test_a_list_ends_when_the_candidates_do(call, shop, tmp_path):
    train, items = shop
    call("lab", "rank", train, "--items", items, "-k", 1000, "--no-noise", "--out", tmp_path / "top.csv")
    found = lists(tmp_path / "top.csv")
    own = [row["user"] for row in table(train)]
    assert {user: len(best) for user, best in found.items()} == {u: 30 - own.count(u) for u in found}


def test_people_without_a_candidate_are_counted(call, tmp_path):
    train = tmp_path / "train.csv"
    train.write_text(HEAD + "a,x,1\na,y,2\na,z,3\nb,x,1\nb,z,2\nc,z,1\n")
    arguments = ("lab", "rank", train, "-k", 2, "--no-noise", "--out", tmp_path / "top.csv")
    result = json.loads(call(*arguments, "--json")[1])
    assert {user: len(best) for user, best in lists(tmp_path / "top.csv").items()} == {"b": 1, "c": 2}
    assert (result["rows"], result["short_lists"], result["empty_lists"]) == (3, 2, 1)
    assert "empty, so not in the file: 1" in call(*arguments)[1].replace("\n", " ")


def test_equal_times_are_no_order_whatever_the_rows_are(call, tmp_path):
    orders = np.random.default_rng(1).permuted(np.tile(np.arange(12), (20, 1)), axis=1)[:, :7]
    written = []
    for stamp, way in (
        (lambda _: 5, 1),
        (lambda _: 5, -1),
        (lambda place: place, 1),
        (lambda place: -place, 1),
    ):
        rows = [
            f"p{p},i{item},{stamp(t)}\n"
            for p, order in enumerate(orders)
            for t, item in list(enumerate(order))[::way]
        ]
        (tmp_path / "train.csv").write_text(HEAD + "".join(rows))
        arguments = ("--no-noise", "-k", 5, "--out", tmp_path / "top.csv")
        assert call("lab", "rank", tmp_path / "train.csv", *arguments)[0] == 0
        written.append((tmp_path / "top.csv").read_bytes())
    assert written[0] == written[1]
    assert len({*written}) == 3


def test_a_small_epsilon_is_not_printed_as_zero(call, shop, tmp_path):
    out = call("lab", "rank", shop[0], "--epsilon", "0.001", "--out", tmp_path / "top.csv")[1]
    assert "user-level epsilon 0.00099" in out


def test_with_repeat_own_items_are_candidates(call, shop, tmp_path):
    train, _ = shop
    call("lab", "rank", train, "-k", 30, "--no-noise", "--repeat", "--out", tmp_path / "top.csv")
    assert {len(set(best)) for best in lists(tmp_path / "top.csv").values()} == {
        len({row["item"] for row in table(train)})
    }


@pytest.mark.parametrize("noise", [(), ("--no-noise",), ("--epsilon", "2", "--delta", "1e-4")])
def test_the_json_is_one_object_of_known_types_without_infinities(call, shop, tmp_path, noise):
    code, out, err = call("lab", "rank", shop[0], "--out", tmp_path / "top.csv", "--json", *noise)
    assert code == 0
    assert "error" not in err
    result = json.loads(out, parse_constant=refuse_constant)
    assert list(result) == list(JSON_TYPES)
    for name, kind in JSON_TYPES.items():
        assert isinstance(result[name], kind), name
    assert result["noise"] == (noise != ("--no-noise",))
    if not result["noise"]:
        assert result["epsilon_server"] is result["epsilon_release"] is result["delta"] is None
    else:
        assert 0 < result["epsilon_release"] <= result["epsilon_server"] <= result["epsilon"]


def test_a_seed_decides_the_ranking_and_another_seed_another(call, shop, tmp_path):
    written = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        call("lab", "rank", shop[0], "--seed", seed, "--out", tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1] != written[2]


def test_the_real_protocol_gives_a_ranking_too(call, shop, tmp_path):
    out = tmp_path / "top.csv"
    code, said, _ = call(
        "lab", "rank", shop[0], "--engine", "secure", "--dropout", "0.2", "--out", out, "--json"
    )
    assert code == 0
    assert [task["dropped"] for task in json.loads(said)["tasks"]] == [2, 2, 2]
    assert len(lists(out)) == 12


BAD_OPTIONS = [
    (("--epsilon", "0"), "epsilon is 0"),
    (("--epsilon", "-1"), "epsilon is -1"),
    (("--epsilon", "nan"), "epsilon is nan"),
    (("--epsilon", "inf"), "epsilon is inf"),
    (("--epsilon", "1e9"), "epsilon is 1000000000"),
    (("--epsilon", "much"), "--epsilon"),
    (("--epsilon", "2", "--no-noise"), "exclude each other"),
    (("--delta", "0"), "delta is 0"),
    (("--delta", "2"), "delta is 2"),
    (("-k", "0"), "k is 0"),
    (("--seed", "-1"), "seed is -1"),
    (("--dropout", "nan"), "dropout is nan"),
    (("--dropout", ".4"), "dropout is 0.4"),
    (("--max-dropout", "1"), "max_dropout is 1"),
    (("--max-collusion", "nan"), "max_collusion is nan"),
    (("--bits", "4"), "bits is 4"),
    (("--max-upload", "0"), "max_upload is 0"),
    (("--max-upload", "99999999999999999999"), "max_upload is 99999999999999999999"),
    (("--engine", "magic"), "--engine"),
    (("--items", "nowhere.csv"), "nowhere.csv: there is no such file"),
    (("--colour", "red"), "--colour"),
]


@pytest.mark.parametrize(("options", "problem"), BAD_OPTIONS)
def test_an_impossible_option_is_one_line_and_leaves_nothing(call, shop, tmp_path, options, problem):
    out = tmp_path / "new" / "top.csv"
    out.parent.mkdir()
    code, said, err = call("lab", "rank", shop[0], "--out", out, "--json", *options)
    assert (code, said) == (2, "")
    assert err.splitlines()[-1].startswith("confidante: error: ")
    assert problem in err.splitlines()[-1]
    assert "Traceback" not in err
    assert list(out.parent.iterdir()) == []


BAD_FILES = {
    "empty": (b"", "is empty"),
    "header only": (HEAD.encode(), "no interactions"),
    "no such column": (b"user,item\na,b\n", "timestamp"),
    "too few fields": (f"{HEAD}a,b\n".encode(), "line 2"),
    "a time that is NaN": (f"{HEAD}a,b,1\na,c,nan\n".encode(), "line 3"),
    "not UTF-8": (HEAD.encode() + b"\xff\xfe,b,1\n", "UTF-8"),
    "zero byte": (HEAD.encode() + b"a,\0,1\n", "zero byte"),
    "a single user": (f"{HEAD}a,b,1\na,c,2\n".encode(), "at least 2 devices"),
    "one item": (f"{HEAD}a,b,1\nc,b,2\nd,b,2\n".encode(), "item"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_used_is_one_line(call, tmp_path, name):
    content, problem = BAD_FILES[name]
    (tmp_path / "bad.csv").write_bytes(content)
    code, said, err = call("lab", "rank", tmp_path / "bad.csv", "--out", tmp_path / "top.csv")
    assert (code, said) == (2, "")
    assert problem in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "top.csv").exists()


def test_places_that_cannot_be_written_are_refused_before_any_work(call, shop, tmp_path):
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    for out, problem in (
        (circle, "cannot be written"),
        (tmp_path / ("n" * 300), "cannot be written"),
        (tmp_path, "is a directory"),
        (tmp_path / "none" / "top.csv", "does not exist"),
        (shop[0], "is an input"),
        (shop[0] / "top.csv", "cannot be written"),
    ):
        before = shop[0].read_bytes()
        code, _, err = call("lab", "rank", shop[0], "--out", out)
        assert code == 2
        assert problem in err
        assert shop[0].read_bytes() == before


def test_skipped_rows_and_unknown_items_are_counted(call, shop, tmp_path):
    train, items = shop
    with train.open("a") as file:
        file.write("p0,new,5\np0,new,5\n\n")
    _, out, _ = call("lab", "rank", train, "--items", items, "--out", tmp_path / "top.csv", "--json")
    result = json.loads(out)
    assert {tally["count"] for tally in result["skipped"]} == {1}
    assert any("not in the items file" in tally["what"] for tally in result["notes"])


cells = st.sampled_from(["a", "b", "c", "d", "1", "", "nan", "-1", "é", '"', "1e999", " x"])
rows = st.lists(st.tuples(cells, cells, cells), max_size=12)
good = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz"), st.integers(-5, 5).map(str)),
    min_size=1,
    max_size=14,
)


@given(
    rows=rows | good,
    options=st.sampled_from([("--no-noise",), ("--no-noise", "--repeat"), ("--epsilon", "8")]),
)
@examples(0.15)
def test_no_small_file_causes_a_traceback(tmp_path, capsys, rows, options):
    train, out = tmp_path / "fuzz.csv", tmp_path / "fuzzed.csv"
    out.unlink(missing_ok=True)
    train.write_text(HEAD + "".join(",".join(row) + "\n" for row in rows), "utf-8")
    capsys.readouterr()
    code = run(["lab", "rank", str(train), "--out", str(out), "-k", "3", *options])
    err = capsys.readouterr().err
    assert code in (0, 2)
    assert out.exists() == (code == 0)
    assert ("confidante: error: " in err) == (code == 2)
