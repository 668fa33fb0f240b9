"""What pickles name of ours: no module, or none could be moved without old checkpoints being lost.

Runs in: tests.
"""

from __future__ import annotations

import pickletools

from pyshell.worker.pickles.rebuilding import MODULE
from tests.catalogue import cases
from tests.kills import store_of
from tests.sessions import SECONDS, started


def test_pickles_name_no_module_of_ours() -> None:
    everything = [case for some in cases.everything().values() for case in some]
    cells = [cell for case in everything if not case.place and cases.can_run(case) for cell in case.cells]
    with started("references") as session:
        for cell in cells:
            session.run(cell, SECONDS)
        session.wait_saved(session.status().next_cell - 1, SECONDS)
        session.kill()
    texts: list[str] = []
    with store_of("references") as store:
        for manifest in store.manifests():
            for group in store.groups(manifest).values():
                if group.kind != "module":
                    found = [argument for _, argument, _ in pickletools.genops(store.read(group.stream))]
                    texts += [argument for argument in found if isinstance(argument, str)]
    assert len([text for text in texts if text.startswith(MODULE)]) > 10
    assert [text for text in texts if text.startswith("pyshell.")] == []
