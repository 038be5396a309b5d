"""`confidante lab simulate` on the command line; over Ray see tests/lab/test_simulate_ray.py."""

import json

import pytest

MADE_UP = ["--devices", 300, "--items", 40, "--events", 6]


def test_made_up_devices_are_trained_on_and_the_cost_is_told(call):
    code, out, err = call("lab", "simulate", *MADE_UP)
    assert code == 0, err
    for said in ("300 made-up devices", "40 items", "peak memory", "epsilon", "NDCG@10", "item pairs"):
        assert said in out


def test_a_file_takes_the_same_sums_as_rank(call, shop, tmp_path):
    train, items = shop
    options = ["--items", items, "--seed", 3, "--json"]
    code, out, _ = call("lab", "simulate", train, *options)
    assert code == 0
    result = json.loads(out)
    _, ranked, _ = call("lab", "rank", train, "--out", tmp_path / "top.csv", *options)
    ranked = json.loads(ranked)
    for name in ("devices", "items", "sums", "upload_bytes", "epsilon_server", "rows_kept", "seed", "noise"):
        assert result[name] == ranked[name]
    assert (result["made_up"], result["quality"], result["workers"]) == (False, None, 0)
    code, out, _ = call("lab", "simulate", train)
    assert code == 0
    assert "12 devices" in out


@pytest.mark.parametrize("engine", ["ideal", "secure"])
def test_every_engine_has_its_sums(call, engine):
    small = ["--devices", 12, "--items", 10, "--events", 4, "--no-noise", "--json"]
    results = [
        json.loads(call("lab", "simulate", *small, "--engine", name)[1]) for name in (engine, "aggregate")
    ]
    digests = [[task["sum_digest"] for task in result["tasks"]] for result in results]
    assert digests[0] == digests[1]
    assert results[0]["engine"] == engine


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "give either"),
        (["TRAIN", "--devices", 5], "give either"),
        (["TRAIN", "--events", 5], "--events"),
        (["--devices", 5, "--items", "few"], "number of items"),
        (["--devices", 5, "--items", 1], "items 1"),
        (["--devices", 1], "at least 2 devices"),
        (["--devices", -4], "-4"),
        ([*MADE_UP, "--workers", 2], "--engine ray"),
        ([*MADE_UP, "--address", "auto"], "--engine ray"),
        ([*MADE_UP, "--no-noise", "--epsilon", 2], "exclude each other"),
        ([*MADE_UP, "--seed", -1], "seed"),
        ([*MADE_UP, "--bits", 7], "bits"),
        ([*MADE_UP, "--dropout", 0.5], "dropout"),
        ([*MADE_UP, "--engine", "ray", "--workers", 0], "1 or more"),
    ],
)
def test_what_cannot_be_is_one_line(call, shop, arguments, problem):
    given = [shop[0] if argument == "TRAIN" else argument for argument in arguments]
    code, out, err = call("lab", "simulate", *given)
    assert (code, out) == (2, "")
    assert problem in err
    assert len(err.strip().splitlines()) == 1
