"""Who is logged in: a signed cookie that any process can check, and no table of sessions.

The signing key comes from the operator's key, so another key ends all sessions. Logging out ends all of them,
too, copied cookies included: those that began up to then.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import final

LIFETIME = 12 * 3600
COOKIE = "confidante-operator"
_NONCE_BYTES = 16
_PLACES = 4096


@final
class Sessions:
    """Signs and checks. An empty operator key opens nothing."""

    def __init__(self, operator_key: str) -> None:
        self._open = bool(operator_key)
        self._given = operator_key.encode()
        self._key = hashlib.sha256(b"confidante operator page 1\n" + self._given).digest()

    def begin(self, given: str, now: float) -> str | None:
        """Return a cookie for whoever gives the operator's key, None for anyone else."""
        if not (self._open and hmac.compare_digest(given.encode("utf-8", "replace"), self._given)):
            return None
        said = f"{int((now + LIFETIME) * 1000)}.{secrets.token_hex(_NONCE_BYTES)}"
        return f"{said}.{self._sign('session', said)}"

    def knows(self, cookie: str, now: float, ended: int = 0) -> bool:
        """Whether this cookie was given by us, has not expired, and began after `ended` (milliseconds)."""
        said, _, signature = cookie.rpartition(".")
        if not (self._open and _same(signature, self._sign("session", said))):
            return False
        expires = int(said.partition(".")[0])
        return now * 1000 < expires and expires - LIFETIME * 1000 > ended

    def form_token(self, cookie: str) -> str:
        """Return what a form of this session has to bring."""
        return self._sign("form", cookie)

    def form_is_ours(self, cookie: str, token: str) -> bool:
        """Whether a form came from a page that was shown in this session."""
        return _same(token, self.form_token(cookie))

    def _sign(self, what: str, said: str) -> str:
        data = f"{what}\n{said}".encode("utf-8", "replace")
        return hmac.new(self._key, data, hashlib.sha256).hexdigest()


@final
class LoginThrottle:
    """How many wrong keys an address may give in a while. Kept in memory only, and forgotten soon."""

    def __init__(self, tries: int = 5, seconds: float = 60.0) -> None:
        self._tries, self._seconds = tries, seconds
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def out_of(self, who: str, now: float) -> bool:
        """Whether this address has to wait."""
        count, since = self._wrong.get(who, (0, now))
        return count >= self._tries and now < since + self._seconds

    def wrong(self, who: str, now: float) -> None:
        """Note a wrong key."""
        count, since = self._wrong.pop(who, (0, now))
        self._wrong[who] = (count + 1, since) if now < since + self._seconds else (1, now)
        while len(self._wrong) > _PLACES:
            self._wrong.popitem(last=False)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
