"""Who may speak: on standard input whoever has started us, on a socket who knows the session's token.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

from pyshell.errors import AuthenticationFailed


class Gate:
    """`token` is the file that holds it, None where everybody may come in. Owner: the thread of the conversation."""

    def __init__(self, token: Path | None = None, opened: Callable[[], None] = lambda: None) -> None:
        self._token = token
        self._opened = opened
        self.is_open = token is None

    def admit(self, given: object) -> None:
        """AuthenticationFailed unless it is the token, in hexadecimal digits."""
        if self.is_open:
            return
        assert self._token is not None
        known = self._token.read_bytes().hex() if self._token.exists() else ""
        proof = given.encode("utf-8", "replace") if type(given) is str else b""
        if not known or not hmac.compare_digest(proof, known.encode()):
            raise self.refusal()
        self.is_open = True
        self._opened()

    def refusal(self) -> AuthenticationFailed:
        return AuthenticationFailed(
            f'begin with initialize, with "token": the bytes of the file {self._token} as hexadecimal digits'
        )
