"""Ratings in the lab: what was rated low is in no sum, and is not recommended."""

from pathlib import Path

import numpy as np

from confidante.core.values import Histories
from confidante.lab.data.csv_files import load_csv
from confidante.lab.experiment import Training
from confidante.lab.published_recommender import PublishedRecommender
from confidante.lab.ratings import liked, rated_weights


def write(path: Path) -> Path:
    """300 people of 10 items out of 40, rated 5; half of them met `bad` and rated it -1."""
    rng = np.random.default_rng(5)
    rows = ["user,item,timestamp,value"]
    for person in range(300):
        rows += [
            f"u{person},i{item},{1_700_000_000 + 60 * k},5"
            for k, item in enumerate(rng.choice(40, 10, replace=False))
        ]
        if person < 150:
            rows.append(f"u{person},bad,1700009000,-1")
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def test_what_half_of_all_people_rated_below_0_is_recommended_to_nobody(tmp_path: Path) -> None:
    data = load_csv(write(tmp_path / "train.csv"))
    assert any("below 0" in line and "150" in line for line in data.report.lines())
    bad = data.catalogue.ids.index("bad")
    assert bad not in liked(data.histories).items
    run = Training(epsilon=None).run(data)
    recommender = PublishedRecommender(run.published, data.catalogue)
    lists = list(recommender.lists(data.histories, 5))
    assert not any(bad in rows for rows in lists)


def test_parts_of_histories_keep_their_ratings() -> None:
    whole = Histories(
        np.array([0, 2, 5]),
        np.arange(5, dtype=np.int32),
        np.arange(5),
        np.array([5.0, 1.0, np.nan, 4.0, 1.0]),
    )
    assert rated_weights(whole)[[1, 4]].max() < 0 < rated_weights(whole)[[0, 2, 3]].min()
    assert whole.slice(1, 2).select(np.array([0])).last(2).ratings.tolist() == [4.0, 1.0]
    assert whole.where(np.array([True, False, True, True, False])).indptr.tolist() == [0, 1, 3]
    assert liked(whole).items.tolist() == [0, 2, 3]
    assert liked(whole).ratings is None


def test_values_without_one_below_0_are_ratings_only_if_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("user,item,timestamp,value\na,x,1,240\na,y,2,3\n", "utf-8")
    assert load_csv(tmp_path / "train.csv").histories.ratings is None
    assert any("--ratings" in line for line in load_csv(tmp_path / "train.csv").report.lines())
    ratings = load_csv(tmp_path / "train.csv", ratings=True).histories.ratings
    assert ratings is not None
    assert ratings.tolist() == [240, 3]
