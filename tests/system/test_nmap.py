"""What nmap sees of the stack: numbers that cannot be guessed, an answer to each probe that a sound host answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.system.testbed import Testbed, TestbedStarter

pytestmark = [pytest.mark.system, pytest.mark.tap]
ANSWERED = ("ECN", "T1", "T4", "T5", "T6", "T7", "U1", "IE")
SILENT = ("T3",)
"""SYN with FIN, PSH and URG to an open port."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    starter = TestbedStarter(tmp_path_factory.mktemp("nmap"))
    yield starter(2)
    starter.end()


def test_nmap_cannot_guess_numbers_and_gets_sound_answers(two: Testbed, need: Callable[[str], str]) -> None:
    argv = [need("nmap"), "-n", "-sS", "-O", "-v", "-d", "--max-os-tries", "1", "-p", "80,81", two.address]
    said = two.client(*argv).stdout
    assert re.search(r"^80/tcp +open", said, re.M), said
    assert re.search(r"^81/tcp +closed", said, re.M), said
    difficulty = re.search(r"TCP Sequence Prediction: Difficulty=(\d+) \(Good luck!\)", said)
    assert difficulty, said
    assert int(difficulty[1]) > 200
    assert "IP ID Sequence Generation: All zeros" in said
    fingerprint = "".join(line.removeprefix("OS:") for line in said.splitlines() if line.startswith("OS:"))
    for probe in ANSWERED:
        assert re.search(rf"{probe}\(R=Y", fingerprint), (probe, fingerprint)
    for probe in SILENT:
        assert f"{probe}(R=N)" in fingerprint
    assert all(row["restarts"] == 0 for row in two.status()["processes"])
