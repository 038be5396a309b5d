"""Progress bars on standard error, one for each thing that takes a while."""

from types import TracebackType
from typing import Self, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn


@final
class Bars:
    """Call it with what is going on and how much of it is done, 0 to 1; a new name begins a new bar."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, part: float) -> None:
        """Move the bar of `what`."""
        if what not in self._tasks:
            self._progress.start()
            self._finish()
            self._tasks[what] = self._progress.add_task(what, total=1.0)
        self._progress.update(self._tasks[what], completed=min(part, 1.0))

    def say(self, sentence: str) -> None:
        """Print a sentence above the bars."""
        self._progress.print(sentence, markup=False)

    def __enter__(self) -> Self:
        """Return the bars; they are drawn from the first call on."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Draw a last time."""
        if self._tasks:
            if error is None:
                self._finish()
            self._progress.stop()

    def _finish(self) -> None:
        """Fill the bars begun so far: devices that vanish never report, so theirs stop short."""
        for task in self._tasks.values():
            self._progress.update(task, completed=1.0)
