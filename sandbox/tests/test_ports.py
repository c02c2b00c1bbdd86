import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import testing
from sandbox.testing import free_port

ASK = """
import sys
from sandbox import testing
testing.PORTS = range(int(sys.argv[1]), int(sys.argv[1]) + 1)
try:
    print(testing.free_port())
except RuntimeError:
    print("none")
"""


class TestAFreePort:
    def test_is_given_to_one_process_as_long_as_it_lives(self) -> None:
        port = free_port()

        assert self._another_process_asks_for(port) == "none"

    def test_is_given_again_once_its_process_has_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        unleased = next(port for port in testing.PORTS if not (testing.LEASES / str(port)).exists())

        given = self._another_process_asks_for(unleased)

        monkeypatch.setattr(testing, "PORTS", range(unleased, unleased + 1))
        assert (given, free_port()) == (str(unleased), unleased)

    def test_is_not_one_that_somebody_listens_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            monkeypatch.setattr(testing, "PORTS", range(port, port + 1))

            with pytest.raises(RuntimeError, match=rf"^No port of {port} to {port} is free$"):
                free_port()

    def _another_process_asks_for(self, port: int) -> str:
        root = Path(testing.__file__).parent.parent
        asked = subprocess.run(
            [sys.executable, "-c", ASK, str(port)], cwd=root, capture_output=True, text=True, check=True
        )
        return asked.stdout.strip()
