"""Commands that tell how long something takes.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import math
import resource
import time as clock
import timeit as measuring
from typing import Any

from pyshell.errors import UsageError
from pyshell.frozen import dataclass
from pyshell.worker.commands.call import Call

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
TRIAL_SECONDS = 0.2


def time(call: Call) -> Any:
    """%time STATEMENT, %%time

    Runs the statement, or the cell below, once, and prints how long it took: the processor's time in your code
    and in the system, and the time by the clock. Names are bound and the value of the last expression is shown
    as without it. Where the statement raises, the times are printed as well.
    """
    if not call.text.strip() and call.body is None:
        raise UsageError("what is to be timed? %time f(x), or %%time on the first line of a cell")
    before, started = _cpu(), clock.perf_counter()
    try:
        value = call.run(call.text) if call.body is None else _statement_and_body(call)
    finally:
        wall, after = clock.perf_counter() - started, _cpu()
        user, system = after[0] - before[0], after[1] - before[1]
        print(f"CPU times: user {readable(user)}, sys: {readable(system)}, total: {readable(user + system)}")
        print(f"Wall time: {readable(wall)}")
    return call.shown(value)


def _statement_and_body(call: Call) -> Any:
    if call.text.strip():
        raise UsageError("%%time takes the cell below it, and nothing on its own line")
    return call.run_body()


def _cpu() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime, used.ru_stime


@dataclass(frozen=True)
class TimeitResult:
    """What `%timeit -o` returns."""

    loops: int
    repeat: int
    timings: list[float]
    """Seconds of one loop, for each run."""

    @property
    def best(self) -> float:
        return min(self.timings)

    @property
    def worst(self) -> float:
        return max(self.timings)

    @property
    def average(self) -> float:
        return math.fsum(self.timings) / len(self.timings)

    @property
    def stdev(self) -> float:
        return math.sqrt(math.fsum((x - self.average) ** 2 for x in self.timings) / len(self.timings))

    def __str__(self) -> str:
        runs = f"{self.repeat} run{'s' * (self.repeat != 1)}, {self.loops:,} loop{'s' * (self.loops != 1)} each"
        return f"{readable(self.average)} ± {readable(self.stdev)} per loop (mean ± std. dev. of {runs})"

    __repr__ = __str__


def timeit(call: Call) -> TimeitResult | None:
    """%timeit [-n LOOPS] [-r RUNS] [-q] [-o] STATEMENT, %%timeit [SETUP]

    Runs the statement, or the cell below, many times, and prints the mean time of one. How often, it finds out
    by itself, or `-n` says it: LOOPS times in each of RUNS runs (7). `-o` returns the result, `-q` prints
    nothing. What stands behind `%%timeit` runs first in each run, and is not counted. Names that the statement
    binds are bound to nothing afterwards; the garbage collector is off meanwhile.
    """
    options, text = call.options("n:r:p:qotc")
    statement, setup = (text, "pass") if call.body is None else (call.body, text or "pass")
    if not statement.strip():
        raise UsageError("what is to be timed? %timeit f(x), or %%timeit on the first line of a cell")
    runs = int(options.get("r", 7))
    for code in (setup, statement):
        call.shell.runner.note(compile(code, call.frame.f_code.co_filename, "exec"))
    scope = {**call.frame.f_globals, **call.frame.f_locals} if _is_local(call) else call.frame.f_globals
    timer = measuring.Timer(statement.strip("\n"), setup, globals=scope)
    loops = int(options.get("n", 0)) or _enough(timer)
    found = TimeitResult(loops, runs, [seconds / loops for seconds in timer.repeat(runs, loops)])
    if "q" not in options:
        print(found)
        _warn(found)
    return found if "o" in options else None


def _is_local(call: Call) -> bool:
    return call.frame.f_locals is not call.frame.f_globals


def _enough(timer: measuring.Timer) -> int:
    loops = 1
    while timer.timeit(loops) < TRIAL_SECONDS and loops < 10**9:
        loops *= 10
    return loops


def _warn(found: TimeitResult) -> None:
    if found.best and found.worst > 4 * found.best and found.repeat > 1:
        times = f"{found.worst / found.best:.2f} times longer than the fastest"
        print(f"The slowest run took {times}. This could mean that an intermediate result is being cached.")


def readable(seconds: float) -> str:
    """`12.3 ms`, `1min 2s`."""
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return (f"{hours}h " if hours else "") + f"{minutes}min {rest}s"
    if seconds <= 0:
        return "0 ns"
    scale, unit = next(((scale, unit) for scale, unit in _UNITS if seconds >= scale), _UNITS[-1])
    return f"{seconds / scale:.3g} {unit}"
