import json
import subprocess
import sys

import pytest

from confidante.cli.lab import options as lab_options
from confidante.core.errors import DataError


def test_the_version_and_the_help_of_each_command(call):
    assert call("--version")[:2] == (0, "confidante 0.1.0\n")
    for command in ((), ("lab",), ("demo",), ("lab", "rank"), ("lab", "frontier")):
        code, out, _ = call(*command, "--help")
        assert code == 0
        assert "Usage" in out
    for command in (("demo",), ("lab", "rank"), ("lab", "frontier")):
        assert "Examples" in call(*command, "--help")[1]


def test_importing_the_command_is_light():
    heavy = ("numpy", "polars", "scipy", "matplotlib", "rich", "typer", "jinja2", "dp_accounting")
    code = f"import sys, confidante.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("missing", "extra"), [("typer", "device"), ("polars", "lab")])
def test_a_missing_extra_is_named(tmp_path, missing, extra):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"sys.argv = ['confidante', 'lab', 'rank', 'x.csv', '--out', {str(tmp_path / 'y')!r}]\n"
        "from confidante.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"confidante: error: {missing}")
    assert f"{extra} extra" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_ends_with_130(call, monkeypatch, shop, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("confidante.lab.rank.rank_file", interrupted)
    code, out, err = call("lab", "rank", shop[0], "--out", tmp_path / "top.csv")
    assert (code, out) == (130, "")
    assert "Traceback" not in err


def test_an_error_of_several_lines_is_printed_as_one(call, monkeypatch, shop, tmp_path):
    def failing(*_, **__):
        raise DataError("is\nbad", path="a b")

    monkeypatch.setattr("confidante.lab.rank.rank_file", failing)
    assert call("lab", "rank", shop[0], "--out", tmp_path / "t")[2] == "confidante: error: a b: is bad\n"


def test_a_command_that_does_not_exist_is_an_error(call):
    code, _, err = call("lab", "dance")
    assert code == 2
    assert err == "confidante: error: No such command 'dance'.\n"


def test_the_demo_fits_one_screen(call, capsys, monkeypatch, shop, tmp_path):
    from confidante.cli.lab.screen import show_demo
    from confidante.lab.data.csv_files import load_csv

    monkeypatch.setattr("confidante.lab.data.movielens.fetch_ml100k", lambda progress: tmp_path)
    monkeypatch.setattr("confidante.lab.data.ml100k.load_ml100k", lambda _: load_csv(*shop))
    folder = tmp_path / "deep" / "demo"
    made = []
    monkeypatch.setattr("confidante.cli.lab.screen.show_demo", lambda demo, page: made.append((demo, page)))
    assert call("demo", "--out", folder, "--engine", "aggregate", "--seed", 3)[0] == 0
    monkeypatch.undo()
    show_demo(*made[0])
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 50
    assert "NDCG@10" in out
    assert "coordinator" in out
    assert str(folder / "report.html") in out.replace("\n", "")


def test_the_demo_prints_one_object_and_leaves_a_profile_that_opens(call, monkeypatch, shop, tmp_path):
    from confidante.lab.data.csv_files import load_csv

    monkeypatch.setattr("confidante.lab.data.movielens.fetch_ml100k", lambda progress: tmp_path)
    monkeypatch.setattr("confidante.lab.data.ml100k.load_ml100k", lambda _: load_csv(*shop))
    code, out, _ = call("demo", "--out", tmp_path / "demo", "--engine", "aggregate", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "demo" / "report.json").read_text("utf-8"))

    profile = tmp_path / "demo" / "profile"  # a device that opens, with a real round in its ledger
    left = json.loads(call("profile", "left", "--profile", profile, "--json")[1])
    assert sum(one["bytes"] for one in left["departures"]) == json.loads(out)["profile"]["bytes_sent"] > 0
    assert 0 < left["epsilon_spent"] <= left["epsilon_limit"]
    found = json.loads(call("profile", "recommend", "--profile", profile, "--json")[1])
    assert found["personal"]
    assert found["suggestions"][0]["reasons"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--seed", "-1"), "seed is -1"),
        (("--epsilon", "0"), "epsilon is 0"),
        (("--out", "FILE"), "is a file"),
    ],
)
def test_the_demo_refuses_bad_options(call, monkeypatch, shop, tmp_path, options, problem):
    from confidante.lab.data.csv_files import load_csv

    monkeypatch.setattr("confidante.lab.data.movielens.fetch_ml100k", lambda progress: tmp_path)
    monkeypatch.setattr("confidante.lab.data.ml100k.load_ml100k", lambda _: load_csv(*shop))
    options = [str(shop[0]) if option == "FILE" else option for option in options]
    code, out, err = call("demo", "--out", tmp_path / "demo", *options)
    assert (code, out) == (2, "")
    assert problem in err.splitlines()[-1]


def test_the_frontier_is_drawn_and_printed(call, shop, tmp_path):
    arguments = (shop[0], "--items", shop[1], "--epsilons", "8", "--seeds", 1)
    code, out, _ = call("lab", "frontier", *arguments, "--out", tmp_path / "f.html")
    assert code == 0
    assert "no noise" in out
    assert "<svg" in (tmp_path / "f.html").read_text("utf-8")
    code, out, _ = call("lab", "frontier", *arguments, "--out", tmp_path / "f.png", "--json", "--test")
    assert code == 0
    assert json.loads(out)["part"] == "test"
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_the_frontier_says_what_it_left_out(call, shop, tmp_path):
    with shop[0].open("a") as file:
        file.write("new,x,1\nnew,x,1\n")
    arguments = ("lab", "frontier", shop[0], "--epsilons", "8", "--seeds", 1, "--out", tmp_path / "f.svg")
    result = json.loads(call(*arguments, "--json")[1])
    assert (result["devices"], result["left_out"]) == (12, 1)
    assert [tally["count"] for tally in result["skipped"]] == [1]
    out = call(*arguments)[1]
    assert "left out: 1\n" in out
    assert "repeats the user" in out


def test_a_terminal_that_cannot_show_an_id_is_no_reason_to_fail(shop, tmp_path):
    train = tmp_path / "é.csv"
    train.write_text(
        shop[0].read_text().replace("timestamp\n", "timestamp,é\n").replace("0\n", "0,\n"), "utf-8"
    )
    command = (
        sys.executable,
        "-m",
        "confidante.cli",
        "lab",
        "rank",
        train,
        "--no-noise",
        "--out",
        tmp_path / "t",
    )
    for json_only in ((), ("--json",)):
        done = subprocess.run(
            [*command, *json_only],
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONIOENCODING": "ascii"},
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)["notes"][0]["what"] if json_only else done.stdout
        assert "column '" + ("é" if json_only else "\\xe9") + "' ignored" in said


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--epsilons", "1,x", "--out", "f.png"), "epsilons is '1,x'"),
        (("--epsilons", "1,nan", "--out", "f.png"), "epsilon is nan"),
        (("--out", "f.gif"), "not a picture format"),
        (("--out", "none/f.png"), "does not exist"),
        (("--out", "n" * 300 + ".png"), "cannot be written"),
        (("--seeds", "0", "--out", "f.png"), "seeds is 0"),
        (("--ml100k", "--out", "f.png"), "either"),
    ],
)
def test_the_frontier_refuses_what_it_cannot_draw(call, monkeypatch, shop, tmp_path, options, problem):
    monkeypatch.chdir(tmp_path)
    code, out, err = call("lab", "frontier", shop[0], *options)
    assert (code, out) == (2, "")
    assert problem in err


def test_the_defaults_in_the_help_are_those_in_the_code(call):
    assert lab_options.DEFAULT_EPSILON == 4.0
    assert "default: 4" in call("lab", "rank", "--help")[1]
