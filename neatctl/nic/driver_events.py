"""What a driver tells the process around it, as calls: the driver itself knows no process, socket or file.

Overridden by nic/process.py; what is here does nothing. Paper section 3.2: a queue that breaks the rules is reported.
"""

from __future__ import annotations

from neatctl.core.channel.face import Consumer


class Events:
    """What the process around a driver hears from it; these do nothing."""

    def faulted(self, replica: int, generation: int, reason: str) -> None:
        """A queue broke the rules, and is closed until there is one of another generation."""

    def reading(self) -> None:
        """The device is read from now on."""

    def opened(self, consumer: Consumer) -> None:
        """A channel was opened, which may have a descriptor to wait on."""

    def closing(self, consumer: Consumer) -> None:
        """The same channel will be closed."""

    def mirror_ended(self, path: str, reason: str) -> None:
        """A mirror was given up."""

    def fail(self, kind: str) -> None:
        """A fault was asked for, to happen now: raise it."""
        raise RuntimeError(f"fault injected: {kind}")
