"""The client finds the socket where the command line does."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import unittest
from typing import Dict

from pollux_client import SettingsError, find_socket

from support import POLLUX, directory


class LocationTests(unittest.TestCase):
    def setUp(self) -> None:
        self.place = directory()
        self.addCleanup(shutil.rmtree, self.place)
        self.before = os.getcwd()
        self.addCleanup(os.chdir, self.before)
        os.chdir(self.place)
        for name in (
            "home/.config/pollux",
            "run",
            "config/pollux",
            "state/pollux",
            "other",
            "home/.local/state/pollux",
        ):
            (self.place / name).mkdir(parents=True)
        self.home = str(self.place / "home")

    def write(self, name: str, text: str) -> str:
        (self.place / name).write_text(text)
        return str(self.place / name)

    def check(self, **variables: str) -> str:
        """Compares the client with the command line, which names the socket where no daemon answers."""
        environment = {"HOME": self.home, **variables}
        return self.compare(environment)

    def compare(self, environment: Dict[str, str]) -> str:
        said = subprocess.run(
            [POLLUX, "list"], env=environment, cwd=self.place, capture_output=True, text=True, timeout=30
        ).stderr
        found = re.search(r"No daemon answers on (.*?): ", said, re.DOTALL)
        self.assertIsNotNone(found, said)
        assert found
        self.assertEqual(find_socket(environment=environment), found[1])
        return found[1]

    def test_variables_decide_as_on_the_command_line(self) -> None:
        run = str(self.place / "run")
        self.assertEqual(self.check(), f"{self.home}/.local/state/pollux/pollux.sock")
        self.assertEqual(self.check(XDG_RUNTIME_DIR=run), f"{run}/pollux/pollux.sock")
        self.assertEqual(self.check(XDG_RUNTIME_DIR=run, POLLUX_SOCKET="~/a.sock"), f"{self.home}/a.sock")
        for variables in (
            {"POLLUX_SOCKET": "b.sock"}, {"POLLUX_SOCKET": "sub/b.sock//"}, {"POLLUX_SOCKET": " "},
            {"POLLUX_SOCKET": "\t", "XDG_RUNTIME_DIR": run}, {"POLLUX_STATE_DIR": "other"},
            {"POLLUX_STATE_DIR": "~/other/"}, {"POLLUX_STATE_DIR": "", "XDG_STATE_HOME": str(self.place / "state")},
            {"XDG_STATE_HOME": "relative"}, {"XDG_RUNTIME_DIR": "run"}, {"XDG_RUNTIME_DIR": str(self.place / "none")},
            {"XDG_RUNTIME_DIR": self.write("a-file", "")}, {"HOME": "relative"}, {"HOME": ""},
            {"XDG_RUNTIME_DIR": "/proc/1" if os.geteuid() else "/", "POLLUX_STATE_DIR": "/nowhere"},
        ):  # fmt: skip
            with self.subTest(variables):
                self.check(**variables)

    def test_the_settings_file_decides_as_on_the_command_line(self) -> None:
        for text in (
            "socket: /tmp/s.sock\n", "socket: ~/s.sock # mine\n", "socket : 's''s #1.sock'\n", "socket: a#b.sock\n",
            '"socket": "a\\u00e4.sock"\n', "# socket: /no\nlog:\n  socket: /no\nstate_directory: /tmp/st\n",
            "- a\n- b\n",
            "---\nsocket: s.sock\r\n", "\ufeffsocket: /s\n", "", "# only a comment\n",
            "state_directory: 'other'\nsocket: x/y.sock   \n",
        ):  # fmt: skip
            with self.subTest(text):
                named = self.write("named.yaml", text)
                self.check(POLLUX_CONFIG=named)
                self.check(POLLUX_CONFIG="named.yaml", XDG_RUNTIME_DIR=str(self.place / "run"))
                self.write("home/.config/pollux/pollux.yaml", text)
                self.check()
                self.check(POLLUX_STATE_DIR="/tmp/x", XDG_CONFIG_HOME=str(self.place / "config"))

    def test_what_cannot_be_read_is_an_error_and_not_another_socket(self) -> None:
        for text in (
            "socket: >\n  /tmp/a\n",
            "socket: &x /tmp/a\n",
            "{socket: /tmp/a}\n",
            'socket: "/tmp\n',
            "socket:\n",
        ):
            with self.subTest(text), self.assertRaises(SettingsError) as caught:
                find_socket(environment={"HOME": self.home, "POLLUX_CONFIG": self.write("named.yaml", text)})
            self.assertEqual(caught.exception.code, "bad_setting")
        with self.assertRaises(SettingsError):
            find_socket(environment={"POLLUX_CONFIG": "/no/such/file"})
        self.assertEqual(find_socket("/x", environment={"POLLUX_CONFIG": "/no/such/file"}), "/x")

    def test_a_daemon_with_another_socket_is_found_by_the_note_in_its_lock(self) -> None:
        noted = str(self.place / "other/p.sock")
        state = str(self.place / "state/pollux")
        variables = {"HOME": self.home, "POLLUX_STATE_DIR": state}
        self.write("state/pollux/pollux.lock", f"1\n{noted}\n")
        self.assertEqual(self.compare(variables), f"{state}/pollux.sock")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(noted)
            listener.listen()
            self.assertEqual(find_socket(environment=variables), noted)
            for wrong in ("1\n", f"x\n{noted}\n", "1\nrelative\n", ""):
                self.write("state/pollux/pollux.lock", wrong)
                self.assertEqual(find_socket(environment=variables), f"{state}/pollux.sock")


if __name__ == "__main__":
    unittest.main()
