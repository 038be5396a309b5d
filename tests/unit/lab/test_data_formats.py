import gzip
import json

import numpy as np
import polars as pl
import pytest

from _complete_journey import load_complete_journey
from _frozen_splits import load_frozen
from _gorse_files import load_gorse
from _ml1m import load_ml1m
from _thin import keep_common_items
from confidante.core.errors import DataError
from confidante.lab.data.dataset import Tally
from confidante.lab.data.ml100k import load_ml100k

FLAGS = "0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0"


@pytest.fixture
def original(tmp_path):
    (tmp_path / "u.data").write_text("1\t2\t3\t10\n1\t1\t5\t9\n7\t1\t1\t9\n")
    films = f"1|Toy Story (1995)|01-Jan-1995||url|{FLAGS}\n2|Caf\xe9 Noir|||url|{FLAGS.replace('1', '0')}\n"
    (tmp_path / "u.item").write_bytes(films.encode("latin-1"))
    return tmp_path


def test_movielens_100k_original_files(original):
    data = load_ml100k(original)
    assert data.catalogue.ids == ("1", "2")
    assert data.catalogue.titles == ("Toy Story (1995)", "Café Noir")
    assert data.catalogue.labels == (("Animation", "Children's", "Comedy", "1995-1999"), ())
    assert data.histories.items.tolist() == [0, 1, 0]
    assert data.user_ids == ("1", "7")


def test_movielens_100k_recbole_files_give_the_same(original, tmp_path):
    (tmp_path / "ml-100k.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3\t10\n1\t1\t5\t9\n7\t1\t1\t9\n"
    )
    (tmp_path / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tToy Story\t1995\tAnimation Children's Comedy\n2\tCafé Noir\tunknown\t\n",
        encoding="utf-8",
    )
    recbole = load_ml100k(tmp_path)
    (tmp_path / "ml-100k.inter").unlink()
    plain = load_ml100k(tmp_path)
    assert recbole.catalogue == plain.catalogue
    assert recbole.histories.items.tolist() == plain.histories.items.tolist()
    assert recbole.histories.times.tolist() == plain.histories.times.tolist()


def test_a_malformed_rating_is_named(original):
    (original / "u.data").write_text("1\t2\t3\t10\n1 1 5 9\n")
    with pytest.raises(DataError, match=r"u\.data, line 2: has 1 fields, expected 4"):
        load_ml100k(original)


def test_a_folder_without_movielens_is_named(tmp_path):
    with pytest.raises(DataError, match=r"neither ml-100k\.inter nor u\.data"):
        load_ml100k(tmp_path)
    with pytest.raises(DataError, match=r"neither ratings\.dat nor ratings\.dat\.gz"):
        load_ml1m(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_movielens_1m(tmp_path, packed):
    ratings = b"1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n"
    (tmp_path / ("ratings.dat.gz" if packed else "ratings.dat")).write_bytes(
        gzip.compress(ratings) if packed else ratings
    )
    (tmp_path / "movies.dat").write_bytes("661::Caf\xe9: Lost (1996)::Animation|Drama\n".encode("latin-1"))
    data = load_ml1m(tmp_path)
    assert data.catalogue.ids == ("661", "1193")
    assert data.catalogue.titles == ("Café: Lost (1996)", "1193")
    assert data.catalogue.labels == (("Animation", "Drama", "1995-1999"), ())
    assert data.histories.items.tolist() == [1, 0, 1]


def jsonl(*rows):
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)


def feedback(user, item, time, kind="read"):
    return {"FeedbackType": kind, "UserId": user, "ItemId": item, "Timestamp": time, "Comment": ""}


def test_gorse_bulk_files(tmp_path):
    rows = tmp_path / "feedback.jsonl"
    rows.write_text(jsonl(
        feedback("u", "b", "2021-01-01T00:00:02Z"),
        feedback("u", "a", "2021-01-01T00:00:01Z", "like"),
        "",
        feedback("v", "b", "2021-01-01T00:00:01+00:00", "share"),
    ))  # fmt: skip
    items = tmp_path / "items.jsonl"
    items.write_text(jsonl(
        {"ItemId": "a", "Labels": ["x", "y"], "Categories": ["film"], "Comment": "A film"},
        {"ItemId": "b", "IsHidden": True, "Labels": {"genre": ["x"], "vector": [0.1, 2]}, "Comment": ""},
    ))  # fmt: skip
    data = load_gorse(rows, items, feedback_types={"read", "like"})
    assert data.catalogue.titles == ("A film", "b")
    assert data.catalogue.labels == (("film", "x", "y"), ("x",))
    assert data.user_ids == ("u",)
    assert data.histories.items.tolist() == [0, 1]
    assert data.histories.times.tolist() == [1609459201, 1609459202]
    assert data.report.skipped == (Tally("feedback of another type", 1, 4),)
    assert Tally("items with labels that are not text, which were left out", 1, 2) in data.report.notes
    assert Tally("items marked hidden, kept", 1, 2) in data.report.notes


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("{", "is not a JSON object"),
        ("[1]", "is not a JSON object"),
        ("[" * 100_000, "is not a JSON object"),
        ('{"FeedbackType": "read"}', "UserId is missing"),
        (json.dumps(feedback(7, "a", "2021-01-01")), "UserId is missing or not text"),
        (json.dumps(feedback("u", "a", "soon")), "timestamp is not a time"),
    ],
)
def test_a_bad_gorse_line_is_named(tmp_path, bad, says):
    path = tmp_path / "feedback.jsonl"
    path.write_text(jsonl(feedback("u", "a", "2021-01-01T00:00:00Z"), bad))
    with pytest.raises(DataError, match=says) as caught:
        load_gorse(path)
    assert caught.value.line == 2


def journey(folder, times=None):
    times = times or ["2017-01-01T11:00:00", "2017-01-01T11:00:00", "2017-01-08T09:00:00"]
    pl.DataFrame({
        "household_id": [9, 9, 9],
        "product_id": [5, 5, 5],
        "transaction_timestamp": pl.Series(times).str.to_datetime(strict=False),
    }).write_parquet(folder / "transactions.parquet")  # fmt: skip
    pl.DataFrame({
        "product_id": [4, 5],
        "department": ["GROCERY", "PASTRY"],
        "brand": ["National", "Private"],
        "product_category": [None, "BREAD"],
        "product_type": [None, "RYE"],
    }).write_parquet(folder / "products.parquet")  # fmt: skip


def test_complete_journey_keeps_every_purchase_and_merges_lines_of_one_basket(tmp_path):
    journey(tmp_path)
    data = load_complete_journey(tmp_path)
    assert data.catalogue.ids == ("5",)
    assert data.catalogue.titles == ("RYE",)
    assert data.catalogue.labels == (("PASTRY", "BREAD", "Private"),)
    assert np.diff(data.histories.times).tolist() == [7 * 86400 - 2 * 3600]
    assert data.report.skipped == (Tally("repeats the user, item and timestamp of another row", 1),)
    assert load_complete_journey(tmp_path, sold_only=False).catalogue.titles == ("GROCERY", "RYE")
    assert len(load_complete_journey(tmp_path, repeats="first").histories.items) == 1


def test_a_damaged_complete_journey_is_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_complete_journey(tmp_path)
    journey(tmp_path, ["2017-01-01T11:00:00", "never", "2017-01-08T09:00:00"])
    with pytest.raises(DataError, match="transaction_timestamp is missing in row 2"):
        load_complete_journey(tmp_path)
    (tmp_path / "products.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="parquet"):
        load_complete_journey(tmp_path)


def test_rare_items_can_be_left_out_and_are_counted(original):
    data = keep_common_items(load_ml100k(original), 2)
    assert data.catalogue.ids == ("1",)
    assert data.histories.lengths.tolist() == [1, 1]
    assert data.report.kept == 2
    with pytest.raises(DataError, match="lower min_people"):
        keep_common_items(data, 3)


def frozen_arrays(**changes):
    arrays = {
        "n_users": 2, "n_items": 4, "user_ids": [7, 9], "item_ids": [1, 2, 3, 4],
        "train_user": [0, 0, 1], "train_item": [0, 1, 2], "train_time": [5, 6, 5],
        "valid": [2, 0], "test": [3, 1], "negatives": [[2], [3]],
    }  # fmt: skip
    return {key: np.asarray(value) for key, value in (arrays | changes).items() if value is not None}


def test_a_frozen_split_shows_test_items_to_nobody_who_asks_what_is_visible(tmp_path, original):
    np.savez(tmp_path / "s.npz", **frozen_arrays())
    frozen = load_frozen(tmp_path / "s.npz", load_ml100k(original).catalogue)
    assert frozen.catalogue.titles == ("Toy Story (1995)", "Café Noir", "3", "4")
    assert frozen.user_ids == ("7", "9")
    assert frozen.split.visible(valid=False).items.tolist() == [0, 1, 2]
    final = frozen.split.visible(valid=True)
    assert final.items.tolist() == [0, 1, 2, 2, 0]
    assert final.times.tolist() == [5, 6, 6, 5, 5]
    assert frozen.split.test.items.tolist() == [3, 1]


def test_a_hidden_split_has_no_held_out_items(tmp_path):
    np.savez(tmp_path / "s.npz", **frozen_arrays(valid=None, test=None, negatives=None))
    split = load_frozen(tmp_path / "s.npz").split
    assert split.test.lengths.tolist() == split.valid.lengths.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"test": [3, 4]}, "test has an index outside 0 to 3"),
        ({"test": [3]}, "test must be whole numbers of shape"),
        ({"train_item": [0.5, 1, 2]}, "train_item must be whole numbers"),
        ({"train_user": [0, 1, 0]}, "must be sorted"),
        ({"train_time": [6, 5, 5]}, "must be sorted"),
        ({"item_ids": [1]}, "item_ids has 1 entries for 4 items"),
        ({"n_users": -1}, "n_users must be one positive whole number"),
        ({"train_user": None}, "lacks train_user"),
    ],
)
def test_a_damaged_frozen_split_is_named(tmp_path, changes, says):
    np.savez(tmp_path / "s.npz", **frozen_arrays(**changes))
    with pytest.raises(DataError, match=says):
        load_frozen(tmp_path / "s.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"\x93NUMPY", b"hello"])
def test_a_file_that_is_no_split_is_named(tmp_path, content):
    (tmp_path / "s.npz").write_bytes(content)
    with pytest.raises(DataError, match="not a split"):
        load_frozen(tmp_path / "s.npz")


def test_real_files_load(shared):
    data = load_ml100k(shared / "data/ml-100k")
    assert (data.histories.people, len(data.catalogue), data.report.kept) == (943, 1682, 100_000)
    assert data.report.skipped == ()
    frozen = load_frozen(shared / "data/splits/ml-100k_loo.npz", data.catalogue)
    assert sorted(frozen.catalogue.titles) == sorted(data.catalogue.titles)
