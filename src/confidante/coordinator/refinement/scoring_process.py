"""The process that scores: it holds the tables, and reads what strangers encrypted.

It is apart, so that a round is never kept waiting by a question, and so that bytes made to upset a library in
C++ upset nothing else. It ends with its parent. Run as `python -m` this, with the number of its socket.
"""

import signal
import socket
import sys

import msgspec
import numpy as np

from confidante.coordinator.refinement import scorer_link
from confidante.coordinator.refinement.schemes import scheme_of
from confidante.core.errors import WireError
from confidante.crypto.he.scheme import ScoringTable


class Loading(msgspec.Struct, array_like=True, frozen=True):
    """A table to be made. scheme: place of its class; vectors: int8 [any, columns], row by row."""

    scheme: str
    columns: int
    vectors: bytes


def serve(end: socket.socket) -> None:
    """Make tables, saying how large questions about each are, and answer until the other end is gone."""
    tables, sizes = dict[str, ScoringTable](), dict[tuple[str, int], int]()
    for kind, name, data in scorer_link.frames(end):
        if kind == scorer_link.LOAD:
            found = msgspec.msgpack.decode(data, type=Loading)
            vectors = np.frombuffer(found.vectors, dtype=np.int8).reshape(-1, found.columns)
            scheme = scheme_of(found.scheme)
            tables[name] = scheme.table(vectors)
            about = (found.scheme, found.columns)
            if about not in sizes:
                sizes[about] = len(scheme.ask(np.zeros(found.columns, dtype=np.int64)).request)
            scorer_link.send(end, scorer_link.DONE, name, scorer_link.size_out(sizes[about]))
            continue
        try:
            answer = tables[name].answer(data)
        except WireError as error:
            scorer_link.send(end, scorer_link.REFUSED, name, str(error)[:1000].encode())
        else:
            scorer_link.send(end, scorer_link.DONE, name, answer)


def main() -> None:
    """Serve the socket whose number was given."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they are for the parent, whose end is ours
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as end:
        try:
            serve(end)
        except OSError:  # the parent ended in the middle of a frame
            return


if __name__ == "__main__":
    main()
