"""Set-up: what it would install, what it says, and that it installs nothing where nothing is missing."""

import os
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"

PROGRAM = """#!/bin/bash
echo "venv/${{0##*/}} $*" >>{log}
if [[ $1 == --version ]]; then echo "Python {version}"; fi
"""


@pytest.fixture
def machine(tmp_path):
    """tools/ in a folder of its own, and a PATH on which apt-get and Python only pretend."""
    tools = tmp_path / "repository/tools"
    tools.mkdir(parents=True)
    for name in ("setup.sh", "Makefile", "requirements.lock", "requirements.in"):
        (tools / name).write_bytes((TOOLS / name).read_bytes())
    (tools / "setup.sh").chmod(0o755)
    (tools.parent / "setup.py").write_text("")
    path = tmp_path / "bin"
    path.mkdir()
    for name in "bash env make awk grep sed cat basename dirname mkdir rm sha256sum cut cp".split():
        path.joinpath(name).symlink_to(subprocess.check_output(["which", name], text=True).strip())

    class Machine:
        log = tmp_path / "log"
        folder = tools

        def command(self, name, body=""):
            (path / name).unlink(missing_ok=True)  # it may link to the real one
            (path / name).write_text(f'#!/bin/bash\necho "{name} $*" >>{self.log}\n{body}\n')
            (path / name).chmod(0o755)

        def python(self, has=("venv", "sndfile"), version="3.11.7"):
            """A Python that says it has these, and makes a venv whose programs pretend."""
            program = tmp_path / "program"
            program.write_text(PROGRAM.format(log=self.log, version=version))
            program.chmod(0o755)
            self.command(
                "python3.11",
                f"""case "$*" in
                    *sys.version_info*) exit {int(not version.startswith("3.1"))} ;;
                    *ensurepip*) exit {int("venv" not in has)} ;;
                    *sndfile*) exit {int("sndfile" not in has)} ;;
                    --version) echo "Python {version}" ;;
                    "-m venv venv")
                        mkdir -p venv/bin
                        for name in python pip uv; do cp -p {program} venv/bin/$name; done ;;
                esac""",
            )

        def run(self, *command):
            result = subprocess.run(
                command or ["bash", "./setup.sh"],
                cwd=tools,
                env={"PATH": str(path), "HOME": str(tmp_path)},
                capture_output=True,
                text=True,
            )
            result.log = self.log.read_text() if self.log.exists() else ""
            self.log.unlink(missing_ok=True)
            return result

    machine = Machine()
    machine.python()
    machine.command("ffmpeg")
    machine.command("7z")
    machine.command("apt-get")
    return machine


def test_a_first_run_makes_the_environment_and_a_second_does_nothing(machine):
    first = machine.run()
    assert first.returncode == 0, first.stderr
    assert "apt-get" not in first.log
    assert "uv pip install --no-deps -r requirements.lock" in first.log
    assert "--no-build-isolation -e .." in first.log
    assert "check_environment" in first.log
    second = machine.run()
    assert second.returncode == 0
    assert "install" not in second.log
    assert second.stdout == ""
    (machine.folder / "requirements.lock").write_text("uv==1\nother==2\n")
    assert "-r requirements.lock" in machine.run().log


def test_an_interrupted_set_up_goes_on(machine):
    machine.command("sha256sum", "exit 1")
    assert machine.run().returncode != 0
    assert not (machine.folder / ".done/python").exists()
    machine.command("sha256sum", "echo 0")
    assert machine.run().returncode == 0
    assert (machine.folder / ".done/python").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="sudo stands before the command for others")
def test_missing_debian_packages_are_named_with_their_reason_and_installed(machine):
    machine.python(has=())
    result = machine.run()
    assert result.returncode == 0, result.stderr
    for package in ("python3.11-venv", "libsndfile1"):
        assert f"  {package}: " in result.stdout
    assert "ffmpeg" not in result.stdout
    install = next(line for line in result.log.splitlines() if "apt-get install" in line)
    assert set(install.split()[-2:]) == {"python3.11-venv", "libsndfile1"}


def test_without_apt_it_says_what_to_install(machine):
    machine.python(has=("venv",))
    (machine.folder.parents[1] / "bin/apt-get").unlink()
    result = machine.run()
    assert result.returncode == 1
    assert "libsndfile1: fairseq2 does not start without it" in result.stdout
    assert "no apt-get" in result.stderr


def test_without_a_python_that_is_supported(machine):
    machine.python(version="2.7.18")
    result = machine.run()
    assert result.returncode == 1
    assert "no Python 3.10, 3.11 or 3.12 found" in result.stderr


def test_when_uv_fails_pip_installs(machine):
    machine.run()
    (machine.folder / ".done/python").unlink()
    (machine.folder / "venv/bin/uv").write_text("#!/bin/bash\nexit 1\n")
    result = machine.run()
    assert result.returncode == 0
    assert "pip install --disable-pip-version-check --no-deps -r requirements.lock" in result.log


def test_make_lists_its_targets(machine):
    result = machine.run("make")
    for target in ("mini", "test", "env", "lint", "clean"):
        assert f"  {target} " in result.stdout
