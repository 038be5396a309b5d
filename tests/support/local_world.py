"""A small made-up library, a device that knows a little of somebody, and clients of its server."""

import re
import shutil
import tempfile
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from starlette.testclient import TestClient

from confidante.core.values import Item
from confidante.device.device import Device
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.web.app import make_app
from confidante.device.web.gorse import GorseConfig
from confidante.device.web.security import Gate, new_api_key

PORT = 8470
HERE = f"http://127.0.0.1:{PORT}"

_GENRES = {
    "Space": "Orbit Star Comet Lander Probe Nebula Airlock Moonbase Gravity Signal",
    "Crime": "Heist Alibi Witness Verdict Safecracker Informant Getaway Ransom Forger Motive",
    "Cooking": "Bread Broth Oven Saffron Kitchen Market Harvest Pastry Supper Vineyard",
    "Music": "Chorus Sonata Rehearsal Encore Drummer Ballad Vinyl Quartet Tempo Refrain",
}


def small_library() -> list[Item]:
    """Forty items of four genres, some of two."""
    found = []
    for genre, words in _GENRES.items():
        for place, word in enumerate(words.split()):
            also = ("Comedy",) if place % 3 == 0 else ("Drama",) if place % 3 == 1 else ()
            title = f"The {word} ({1980 + place})"
            about = f"A story of {genre.lower()} and a {word.lower()}."
            found.append(Item(f"{genre[:2].lower()}{place}", title, (genre, *also), about))
    return found


def small_device(folder: Path, *, events: bool = True) -> Device:
    """Somebody who likes space, and once cooked. The profile is for tests: its key lies beside it."""
    shutil.copytree(Path(_profile(events).name) / "profile", folder)
    return Device(folder, InsecurePlaintextKey(), create=False)


@lru_cache
def _profile(events: bool) -> tempfile.TemporaryDirectory[str]:
    """Make the profile once: to read forty titles takes longer than most tests of what is done with it."""
    made = tempfile.TemporaryDirectory(prefix="cfd-small-")
    with Device(Path(made.name) / "profile", InsecurePlaintextKey()) as device:
        device.items.add(small_library())
        if events:
            for hours, item in enumerate(("sp0", "sp1", "co2", "sp3", "sp4")):
                device.record(item, "view", at=1_780_000_000.0 + 86_400 * hours)
    return made


def api_client(device: Device, gorse: GorseConfig | None = None) -> TestClient:
    """An app with the key, behind the guard. gorse: what types of feedback mean; as they do by themselves."""
    key = new_api_key(device.settings)
    app = make_app(device, Gate(PORT, device.settings), user="ada", gorse=gorse or GorseConfig())
    return TestClient(app, base_url=HERE, headers={"x-api-key": key})


def page_client(device: Device) -> TestClient:
    """A browser that has followed the link, without scripts."""
    gate = Gate(PORT, device.settings)
    client = TestClient(make_app(device, gate), base_url=HERE, headers={"sec-fetch-site": "same-origin"})
    parts = urlsplit(gate.link())
    assert client.get(f"{parts.path}?{parts.query}").status_code == 200
    return client


def secret_of(client: TestClient) -> str:
    """The secret that every form of this session carries."""
    found = re.search(r'name="secret" value="([^"]+)"', client.get("/").text)
    assert found is not None
    return found[1]


def post(client: TestClient, path: str, **fields: str) -> str:
    """Send a form as the page does, and return the page that comes."""
    answer = client.post(path, data={"secret": secret_of(client), **fields})
    assert answer.status_code == HTTPStatus.OK, answer.text
    return answer.text
