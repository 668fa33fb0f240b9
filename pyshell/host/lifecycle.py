"""The states of a session, as a table. Pure.

Runs in: host.
"""

from __future__ import annotations

from pyshell.frozen import dataclass
from pyshell.protocol import State

TRANSITIONS: dict[State, dict[str, State]] = {
    # The first worker is on its way.
    "starting": {"restored": "idle", "exited": "restarting", "gave_up": "dead", "kill": "stopped"},
    "idle": {
        "execute": "busy",
        "travel": "busy",
        "comm": "busy",
        "exited": "restarting",
        "restart": "restarting",
        "kill": "stopped",
    },
    "busy": {"finished": "idle", "exited": "restarting", "restart": "restarting", "kill": "stopped"},
    # Another worker is on its way, or is loading the checkpoint.
    "restarting": {
        "restored": "idle",
        "exited": "restarting",
        "restart": "restarting",
        "gave_up": "dead",
        "kill": "stopped",
    },
    # No worker could be started; the person may mend the cause and say restart.
    "dead": {"restart": "restarting", "kill": "stopped"},
    "stopped": {},
}


def next_state(state: State, cause: str) -> State | None:
    """The state that `cause` leads to from `state`; None where it cannot happen there."""
    return TRANSITIONS[state].get(cause)


@dataclass
class Plan:
    """What is to happen when the present worker has ended."""

    fresh: bool = False
    stop: bool = False
