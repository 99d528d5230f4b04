"""Files and folders appear whole or not at all, whatever ends the writer."""

import os
import signal
import subprocess
import sys

import pytest

from espnet_mlclap.utils.atomic import atomic_dir, atomic_open, is_left_over, make_dir
from espnet_mlclap.utils.errors import UserError

WRITERS = {"atomic_open": atomic_open, "atomic_dir": atomic_dir}


class Stop(Exception):
    """Ends a block early."""


def test_a_file_keeps_its_old_content_until_the_new_is_whole(tmp_path):
    path = tmp_path / "new/file"
    with atomic_open(path) as file:
        file.write("old é\n")
        assert not path.exists()
    assert path.read_bytes() == "old é\n".encode()

    def fail():
        with atomic_open(path, "wb") as file:
            file.write(b"half")
            raise Stop

    with pytest.raises(Stop):
        fail()
    assert path.read_bytes() == "old é\n".encode()
    assert os.listdir(path.parent) == ["file"]


def test_a_folder_replaces_the_old_one_as_a_whole(tmp_path):
    path = tmp_path / "folder"
    with atomic_dir(path) as folder:
        (folder / "a").write_text("1")
        assert not path.exists()
    with atomic_dir(path) as folder:
        (folder / "b").write_text("2")
        assert os.listdir(path) == ["a"]
    assert os.listdir(path) == ["b"]

    def fail():
        with atomic_dir(path) as folder:
            (folder / "c").write_text("3")
            raise Stop

    with pytest.raises(Stop):
        fail()
    assert os.listdir(path) == ["b"]
    assert os.listdir(tmp_path) == ["folder"]


KILLED = """
import os, signal
from espnet_mlclap.utils.atomic import {name}
with {name}({path!r}) as target:
    {write}
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("atomic_open", "target.write('half'); target.flush()"),
        ("atomic_dir", "(target / 'half').write_text('x')"),
    ],
)
def test_a_writer_that_is_killed_leaves_nothing_under_the_name(tmp_path, name, write):
    path = str(tmp_path / "target")
    code = KILLED.format(name=name, path=path, write=write)
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    assert not os.path.exists(path)
    assert [is_left_over(left) for left in os.listdir(tmp_path)] == [True]
    with WRITERS[name](path):  # by the next writer of the same name
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == ["target"]


@pytest.mark.parametrize("name", ["atomic_open", "atomic_dir"])
def test_what_is_being_written_is_not_taken_for_a_left_over(tmp_path, name):
    path = tmp_path / "target"
    with WRITERS[name](path) as first:
        with WRITERS[name](path):
            assert len(os.listdir(tmp_path)) == 2
        assert path.exists()
        if name == "atomic_dir":
            (first / "inside").touch()
    assert os.listdir(tmp_path) == ["target"]


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    with atomic_open(tmp_path / "file") as file:
        file.write("x")
    (tmp_path / "plain").write_text("x")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_folders_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file/sub: cannot be created .*Give a folder"):
        make_dir(tmp_path / "file/sub")
    with pytest.raises(ValueError, match="mode must be"):
        atomic_open(tmp_path / "x", "a").__enter__()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="not writable"):
        make_dir(tmp_path)
