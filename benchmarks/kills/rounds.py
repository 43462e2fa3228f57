"""Rounds: kill the command at a moment, start it again until it ends by itself, compare with the undisturbed run."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.kills import state
from benchmarks.kills.processes import DRIVER, JVM, RUN, WORKER, Command
from benchmarks.kills.scenario import EMPTY, LIMIT_S, LOCAL, OVER, SPARK, KillsError, Moment, Scenario
from benchmarks.kills.timeline import Watch, phase

ALL = (RUN, JVM, RUN, WORKER, RUN, DRIVER)
SETTLE_S = 30.0  # what a killed driver leaves running must have ended by itself by then
TRIES = 5  # a moment that a run passed by too fast, or never reached, is drawn again
AWAIT_UPKEEP = ("_incoming", ".partial")
MONTH_S = 30 * 86400


@dataclass
class Round:
    """What came of one kill, or of two in a row.

    Attributes:
        ended_s: after the JVM or a worker was killed, how long the command took to end by itself.
        message: its first line that said what is wrong.
        orphans: rows without a receipt, receipts without their rows.
        going_on: runs that Dagster shows as going on, though nothing runs.
        leftovers: files in staging.
        awaiting: files under random names that nothing reads, for upkeep to remove once they are old.
        after_upkeep: how many of them were still there after it; None where it was not asked.
        survivors: processes of the killed run that lived on.
    """

    number: int
    what: str
    start: str
    engine: str
    moment: str
    phase: str
    kills: int = 1
    ended_s: float | None = None
    message: str = ""
    differences: list[str] = field(default_factory=list)
    doubled: int = 0
    orphans: list[str] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    going_on: int = 0
    leftovers: list[str] = field(default_factory=list)
    survivors: int = 0
    awaiting: int = 0
    after_upkeep: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the home is as if nothing had happened."""
        listed = self.differences or self.orphans or self.locks or self.leftovers
        return not (listed or self.doubled or self.going_on or self.survivors or self.after_upkeep)


def play(
    scenario: Scenario,
    number: int,
    what: str,
    draw: random.Random,
    delicate: bool = False,
    twice: bool = False,
    upkeep: bool = False,
    start: str | None = None,
    engine: str | None = None,
) -> Round:
    """One round: a kill that hits (drawn again where the run was over before), then what has to be as undisturbed.

    Args:
        delicate: just after a file came or went; otherwise at any time.
        twice: the recovery is killed too.
        upkeep: whether upkeep has to clear what it leaves, if it leaves anything.
        start, engine: what the home begins with and what runs the kernels; drawn where not named.

    Raises:
        KillsError: an undisturbed run or upkeep fails, or no moment could be met.
    """
    for attempt in range(TRIES):
        begins = start or draw.choice((EMPTY, OVER))
        on = engine or (SPARK if what == JVM else draw.choice((LOCAL, LOCAL, SPARK)))  # only Spark has a JVM
        undisturbed = scenario.undisturbed(begins, on)
        moment = undisturbed.moment(draw, delicate)
        home = scenario.fresh(begins, f"round-{number:02}-{attempt}")
        watch = Watch(home)
        with scenario.command(home, on) as command:
            if not _kill_at(command, moment, watch, what, draw):
                shutil.rmtree(home)
                continue
            played = Round(number, what, begins, on, str(moment), phase([e for _, e in watch.events]))
            if what in (JVM, WORKER):
                _ends_by_itself(played, command)
        if twice:
            with scenario.command(home, on) as again:
                due = time.monotonic() + draw.uniform(0.2, 1.0) * undisturbed.seconds
                while again.is_running() and time.monotonic() < due:
                    time.sleep(0.02)
                played.kills += again.kill(RUN, draw)
        with scenario.command(home, on) as last:
            code = last.wait(LIMIT_S)
        if code != 0:
            how = "did not end" if code is None else f"ended with {code}"
            played.differences.append(f"the same command again {how} ({last.log.name}): {first_error(last.output())}")
        _look(played, home, undisturbed.state, command)
        if upkeep and played.awaiting:
            played.after_upkeep = left_by_upkeep(scenario, home)
        if played.ok:
            shutil.rmtree(home)
        return played
    raise KillsError(f"round {number}: in {TRIES} tries the run was over before its moment; give more --pages")


def _kill_at(command: Command, moment: Moment, watch: Watch, what: str, draw: random.Random) -> bool:
    """Kill at the moment; a JVM or a worker that is not there yet, as soon as there is one. False when none was hit."""
    if not watch.until(moment.after, moment.offset_s, command.is_running):
        return False
    while command.is_running():
        if command.kill(what, draw):
            watch.look()
            return True
        time.sleep(0.01)
        watch.look()
    return False


def _ends_by_itself(played: Round, command: Command) -> None:
    began = time.monotonic()
    code = command.wait(LIMIT_S)
    played.ended_s = time.monotonic() - began
    played.message = first_error(command.output())
    died = f"after the {played.what} was killed the command"
    if code is None:
        played.differences.append(f"{died} did not end in {LIMIT_S:.0f} s ({command.log.name})")
    elif code != 0 and not (played.what.upper() in played.message or "worker" in played.message):
        played.differences.append(f"{died} ended with {code} and does not say why ({command.log.name})")
    if "Traceback" in command.output():
        played.differences.append(f"{died} printed a traceback ({command.log.name})")


def first_error(output: str) -> str:
    """The first line of a command's output that says what is wrong."""
    return next((line for line in output.splitlines() if line.startswith(("FAILED", "error:", "ERROR"))), "")


def _look(played: Round, home: Path, expected: state.State, killed: Command) -> None:
    left = state.leftovers(home)
    awaiting = [path for path in left if any(part in path for part in AWAIT_UPKEEP)]
    found = state.read_state(home, ignored=awaiting)
    played.differences += state.differences(expected, found)
    played.doubled = state.doubled_rows(expected, found)
    played.orphans = state.orphans(home / "lake")
    played.locks = state.held_locks(home / "lake")
    played.going_on = state.runs_going_on(home)
    played.leftovers = [path for path in left if path not in awaiting]
    played.awaiting = len(awaiting) + len(state.uncommitted_files(home / "lake"))
    patience = time.monotonic() + SETTLE_S
    while (alive := len(killed.survivors())) and time.monotonic() < patience:
        time.sleep(0.2)
    played.survivors = alive


def is_delicate(number: int, kinds: int) -> bool:
    """Whether a round is at a delicate moment: every other one, and every other one of each kind of kill."""
    return (number // kinds + number % kinds) % 2 == 0


def measure(
    scenario: Scenario,
    rounds: int,
    seed: int = 0,
    whats: Sequence[str] = ALL,
    engine: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Round]:
    """Play rounds, every other one at a delicate moment, every fifth with a second kill during the recovery.

    Raises:
        KillsError: an undisturbed run fails, or no moment could be met.
    """
    results: list[Round] = []
    for number in range(rounds):
        upkeep = all(r.after_upkeep is None for r in results)
        delicate, twice = is_delicate(number, len(whats)), number % 5 == 4
        draw = random.Random(f"{seed}/{number}")
        what = whats[number % len(whats)]
        played = play(scenario, number, what, draw, delicate, twice, upkeep, engine=SPARK if what == JVM else engine)
        results.append(played)
        say(line(played))
    return results


def line(r: Round) -> str:
    """A round in one line, and one more for each thing that is wrong."""
    kills = " and again while it recovered" if r.kills > 1 else ""
    took = f"; ended by itself after {r.ended_s:.0f} s: {r.message}" if r.ended_s is not None else ""
    verdict = "equal" if r.ok else "NOT EQUAL"
    text = f"{r.number:3} {r.what:6} {r.engine} {r.start:5} [{r.phase}] {r.moment}{kills}{took}: {verdict}"
    wrong = [*r.differences, *r.orphans]
    wrong += [*(f"lock held: {n}" for n in r.locks), *(f"left over: {n}" for n in r.leftovers)]
    counts = (
        (r.doubled, "doubled rows"),
        (r.going_on, "runs shown as going on"),
        (r.survivors, "processes live on"),
        (r.after_upkeep, "left by upkeep"),
    )
    wrong += [f"{n} {what}" for n, what in counts if n]
    return "\n".join([text, *(f"      {w}" for w in wrong)])


def left_by_upkeep(scenario: Scenario, home: Path) -> int:
    """Files that await upkeep and are still there after it, once they are old.

    Raises:
        KillsError: upkeep fails.
    """
    old = time.time() - MONTH_S
    waiting = [*state.leftovers(home), *(f"lake/{path}" for path in state.uncommitted_files(home / "lake"))]
    for path in waiting:
        os.utime(home / path, (old, old))
    with scenario.command(home, LOCAL, arguments=("upkeep",)) as command:
        code = command.wait(LIMIT_S)
    if code != 0:
        raise KillsError(f"upkeep ended with {code}:\n{command.output()[-2000:]}")
    return sum((home / path).exists() for path in waiting)
