"""`confidante coordinator run` with a population that refines: the real scheme, several workers, and care."""

import json
import time
from pathlib import Path

import httpx
import pytest
from populations import OPEN, catalogue_of, write_population
from published_model import made_up_model, publish_model
from refining_world import BY_ADDRESS, NAME, PLAIN, scored, table, write_offer
from run_world import called, running

from confidante.coordinator.config.population_file import read_population
from confidante.coordinator.diagnostics.doctor_refinement import check_refinement
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.crypto.binary_http import BinaryRequest, BinaryResponse
from confidante.crypto.he.bfv import BfvScheme
from confidante.crypto.oblivious_http import REQUEST_TYPE, Sealed
from confidante.models.refinement.codec import decode_items, decode_query
from confidante.wire.refinement import ALL, LOG_KIND, REFINE_PATH, Question, RefinementOffer
from confidante.wire.rounds import Logged, decode, encode


def defined(folder: Path, more: str = OPEN, **terms: object) -> Path:
    """A population with a model and an offer, ready to run."""
    file = write_population(folder, name=NAME, items=20, devices=5, noise=False, more=more + table(**terms))
    write_offer(folder, 40, gone=(1, 2))
    with Store.open(f"sqlite:///{folder / NAME}.db") as store:
        store.migrate()
        bodies = Bodies(f"file://{folder / NAME}-bodies")
        publish_model(store, bodies, NAME, made_up_model(catalogue_of(20), 8), time.time())
    return file


def announced(http: httpx.Client) -> RefinementOffer:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        said = [one.body for one in decode(http.get("/v1/log").content, list[Logged]) if one.kind == LOG_KIND]
        if said:
            return decode(said[-1], RefinementOffer)
        time.sleep(0.1)
    raise AssertionError


def test_two_workers_answer_encrypted_questions_about_one_table(tmp_path: Path) -> None:
    file = defined(tmp_path, schemes=["bfv"])
    with running(file, "--workers", 2) as here, here.http() as http:
        offered = announced(http)
        side = decode_query(http.get(f"/v1/models/{offered.model.hex()}").content)
        items = decode_items(http.get(f"/v1/models/{offered.table.hex()}").content)
        query = side.rounded(items.vectors[3].astype(float))
        right, end = 0, time.monotonic() + 120
        while right < 6:
            asking = BfvScheme().ask(query.values)
            question = encode(Question(NAME, BfvScheme.name, offered.model, ALL, asking.request))
            inside = BinaryRequest(b"POST", b"https", b"x", REFINE_PATH.encode(), (), question)
            sealed = Sealed(inside.encode(), offered.key)
            with here.http() as fresh:  # a connection of its own: either worker may have it
                answer = fresh.post(
                    "/v1/oblivious", content=sealed.data, headers={"content-type": REQUEST_TYPE}
                )
            ready = answer.status_code != 503
            found = BinaryResponse.decode(sealed.open(answer.content)) if ready else None
            if found is None or found.status == 503:  # the other worker is not ready yet
                assert time.monotonic() < end
                time.sleep(0.2)
                continue
            said = scored(found)
            assert (asking.read(said.ciphertext, side.items) == items.scores(query)).all()
            assert said.fresh.read(side.items)[1].sum() == 38
            right += 1
        assert here.end() == 0
        assert not here.logged("refinement broken")
    status = called("status", file)
    assert "refinement  40 items, vectors " in status.stdout
    assert f"{offered.model.hex()[:12]}, 6 questions today" in status.stdout
    assert json.loads(called("status", file, "--json").stdout)[0]["refinement"].startswith("40 items")


def test_without_the_table_nothing_of_it_runs(tmp_path: Path) -> None:
    file = write_population(tmp_path, name=NAME, devices=5, noise=False)
    with running(file) as here, here.http() as http:
        assert http.post("/v1/oblivious", content=b"x").status_code == 404
        assert here.end() == 0
    assert "refinement" not in called("status", file).stdout


@pytest.mark.parametrize(
    ("more", "terms", "good", "told"),
    [
        (OPEN, {}, True, "the vectors are public"),
        (OPEN, {"secret": True}, True, "nothing limits questions: 6 give them away"),
        (BY_ADDRESS, {"secret": True, "tokens": 6}, True, "lower refinement.tokens"),
        (BY_ADDRESS, {"secret": True, "tokens": 2}, True, "one alone has the secret vectors after 3 days"),
        (OPEN, {"items": "nowhere.csv"}, False, "cannot be read"),
        (OPEN, {"schemes": ["confidante.nowhere:Scheme"]}, False, "cannot be used"),
    ],
)
def test_doctor_says_what_the_terms_mean(
    tmp_path: Path, more: str, terms: dict[str, object], good: bool, told: str
) -> None:
    file = write_population(tmp_path, name=NAME, items=20, more=more + table(**{"schemes": [PLAIN], **terms}))
    write_offer(tmp_path, 40, gone=(1,))
    found = list(check_refinement(read_population(file)))
    assert all(one.good for one in found) is good
    assert any(told in one.said for one in found), found
    if good:
        assert "40 items of 6 dimensions, of which 39 can be had, by plain 1" in found[0].said
