"""Simulated files: they arrive, are half written for a while, are replaced, and are put away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from openbell.core.inputs import Clear, Cleared, Consume, FilesSeen, InputFile, Lookout, WaitingFor
from openbell.sensors.protocol import Report
from openbell.sim.world import World


@dataclass(slots=True)
class Entry:
    """A file that is there. Its content is its key."""

    content: str
    whole: bool = False


class SimSensor:
    """Sees files late, reports twice, and loses what it had to do when the engine dies."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._report: Report | None = None
        self._generation = 0
        self._wanted: dict[WaitingFor, Lookout] = {}
        self.files: dict[str, Entry] = {}
        self.archive: list[str] = []
        """Contents that have been archived or deleted, as often as that was done."""
        self._count = 0
        self._sown: set[str] = set()

    def open(self, report: Report) -> None:
        self._report = report
        self._generation += 1
        self._wanted = {}

    def close(self) -> None:
        self._report = None

    def attend(
        self,
        wanted: Mapping[WaitingFor, Lookout],
        known: Callable[[WaitingFor], Iterable[InputFile]],  # noqa: ARG002
    ) -> None:
        new = {gate: lookout for gate, lookout in wanted.items() if self._wanted.get(gate) != lookout}
        self._wanted = dict(wanted)
        for gate, lookout in new.items():
            folder = lookout.globs[0].removesuffix("*")
            if folder not in self._sown:
                self._sown.add(folder)
                for _ in range(self._world.rng.choice((0, 1, 1, 2, 3))):
                    self._world.after(self._world.rng.choice((0, 0, 5, 40)), partial(self._arrive, folder))
            self._later(partial(self._look, gate))

    def clear(self, order: Clear) -> None:
        def carry_out() -> None:
            entry = self.files.get(order.file.path)
            note = "it was gone already"
            if entry is not None and entry.content == order.file.key:
                del self.files[order.file.path]
                self.archive.append(entry.content)
                note = "archived" if order.consume is Consume.ARCHIVE else "deleted"
            elif entry is not None:
                note = "another file has taken its place: left alone"
            fact = Cleared(
                self._world.clock.now(), order.run, order.step, order.file.path, order.file.key, note
            )
            self._later(lambda: self._tell(fact))

        self._later(carry_out)

    # ── what happens in the folders ──────────────────────────────────────────────────────────

    def _arrive(self, folder: str) -> None:
        self._count += 1
        path = f"{folder}{self._count % 4}"
        entry = self.files[path] = Entry(f"content-{self._count}")
        self._changed()

        def complete() -> None:
            entry.whole = True
            self._changed()

        self._world.after(self._world.rng.uniform(0, 10), complete)

    def _changed(self) -> None:
        for gate in self._wanted:
            self._later(partial(self._look, gate))

    def _look(self, gate: WaitingFor) -> None:
        lookout = self._wanted.get(gate)
        if lookout is None:
            return
        folder = lookout.globs[0].removesuffix("*")
        there = [(path, entry) for path, entry in sorted(self.files.items()) if path.startswith(folder)]
        files = tuple(InputFile(path, 1, 0, entry.content) for path, entry in there if entry.whole)
        fact = FilesSeen(self._world.clock.now(), *gate, files, len(there) - len(files))
        self._later(lambda: self._tell(fact))

    def _later(self, do: Callable[[], None]) -> None:
        """Do it in a moment, unless the engine has died by then."""
        generation = self._generation
        self._world.after(
            self._world.rng.random() * 0.3, lambda: do() if generation == self._generation else None
        )

    def _tell(self, fact: FilesSeen | Cleared) -> None:
        if self._report is not None:
            self._report(fact)
