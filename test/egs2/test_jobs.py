"""The job runner: logs, progress, the cause of a failure; what is done is not done again."""

import os
import subprocess
import time
from pathlib import Path

import pytest

JOBS = Path(__file__).resolve().parents[2] / "egs2/TEMPLATE/mlclap1/scripts/jobs.sh"
LOCKS = JOBS.with_name("locks.sh")


@pytest.fixture
def bash(tmp_path):
    def run(code):
        return subprocess.run(
            ["bash", "-c", f"set -euo pipefail\n. {LOCKS}\n. {JOBS}\n{code}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return run


def test_a_failing_job_prints_the_end_of_its_log_and_not_the_progress(bash, tmp_path):
    (tmp_path / "job.sh").write_text(
        "for i in $(seq 40); do echo line $i; done\n"
        "echo '[progress] work: 1/9 clips, soon done'\n"
        "echo 'ValueError: the cause' >&2\nexit 3\n"
    )
    result = bash("run_job log/job.log '' bash job.sh\necho not reached")
    assert result.returncode == 1
    assert "not reached" not in result.stdout
    assert "ValueError: the cause" in result.stderr
    assert "line 40" in result.stderr
    assert "line 3\n" not in result.stderr
    assert "soon done" not in result.stderr
    assert "log/job.log" in result.stderr
    log = (tmp_path / "log/job.log").read_text()
    assert "line 3\n" in log
    assert "failed with status 3" in log


def test_progress_and_counts_are_shown_the_rest_is_logged(bash, tmp_path):
    result = bash(
        "run_job job.log '' printf '%s\\n' 'chatter' "
        "'[progress] format: 5/9 clips, in any words' '2026-01-02 03:04:05,678 INFO: 9 clips' "
        "'2026-01-02 03:04:05,678 WARNING: 2 left out'"
    )
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        "  format: 5/9 clips, in any words",
        "  9 clips",
        "  WARNING: 2 left out",
    ]
    assert "chatter" in (tmp_path / "job.log").read_text()


def test_words_of_the_prefix_stand_before_the_command(bash, tmp_path):
    assert bash("run_job job.log 'env GREETING=hello' sh -c 'echo $GREETING'").returncode == 0
    assert "hello" in (tmp_path / "job.log").read_text().splitlines()


def test_a_job_ends_with_the_shell_that_was_killed(tmp_path):
    code = f"set -euo pipefail\n. {JOBS}\nrun_job job.log '' sh -c 'echo $$ >pid; exec sleep 60'"
    shell = subprocess.Popen(["bash", "-c", code], cwd=tmp_path, stdout=subprocess.DEVNULL)
    pid = tmp_path / "pid"
    assert wait_for(lambda: pid.exists() and pid.read_text().strip())
    process = Path("/proc") / pid.read_text().strip()
    assert process.exists()
    shell.kill()
    shell.wait()
    assert wait_for(lambda: not process.exists())


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


COUNTED = "once out/.made job.log '' sh -c 'mkdir -p out; echo x >>count' {arguments}"


def times_done(tmp_path):
    path = tmp_path / "count"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_once_repeats_only_for_other_arguments_or_inputs(bash, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    (source / "text").write_text("a\n")

    def run(arguments):
        result = bash(f"inputs=(in)\n{COUNTED.format(arguments=arguments)}")
        assert result.returncode == 0, result.stderr
        return result.stdout

    run("--langs fra")
    assert "done already" in run("--langs fra")
    assert "done already" in run("--langs fra --nj 7")  # how many processes does not matter
    assert times_done(tmp_path) == 1
    assert "have changed" in run("--langs deu")
    assert times_done(tmp_path) == 2
    (source / "text").write_text("b\n")
    run("--langs deu")
    assert times_done(tmp_path) == 3
    (tmp_path / "out/.made").unlink()
    run("--langs deu")
    assert times_done(tmp_path) == 4


def test_once_repeats_when_a_file_that_a_table_names_was_replaced(bash, tmp_path):
    """By its size, or by its time alone; one that is missing, or comes back, counts too."""
    names = ["a b.wav", "-x.wav", "set.ark"]
    for name in names:
        (tmp_path / name).write_text("old")
    (tmp_path / "wav.scp").write_text("1 a b.wav\n2 -x.wav\n3 set.ark:17\n4 never.wav\n")

    def run():
        assert bash(f"inputs=(@wav.scp)\n{COUNTED.format(arguments='')}").returncode == 0
        return times_done(tmp_path)

    assert [run(), run()] == [1, 1]
    for number, name in enumerate(names, 2):
        (tmp_path / name).write_text("newer")
        assert [run(), run()] == [number, number]
    os.utime(tmp_path / "-x.wav", ns=(1, 1))
    assert run() == 5
    (tmp_path / "a b.wav").unlink()
    assert [run(), run()] == [6, 6]


def test_once_leaves_no_mark_when_the_command_fails(bash, tmp_path):
    result = bash("inputs=()\nonce out/.made job.log '' sh -c 'mkdir -p out; exit 1'")
    assert result.returncode == 1
    assert not (tmp_path / "out/.made").exists()


def test_a_second_run_waits_for_the_first(bash, tmp_path):
    result = bash(
        "(lock l/.lock; sleep 1; echo first >>order) &\nsleep 0.3\n"
        "(lock l/.lock; echo second >>order)\nwait"
    )
    assert "waiting for it to end" in result.stdout
    assert (tmp_path / "order").read_text().split() == ["first", "second"]


READS = "hold_data d; echo {0} reads >>order; sleep 0.5; echo {0} ends >>order"
WRITES = """hold_data d; own_data; echo {0} writes >>order; sleep 0.5
share_data; sleep 0.5; echo {0} ends >>order"""


def test_several_runs_read_the_data_and_one_writes_them(bash, tmp_path):
    """Who has written reads on before anybody else may write."""
    runs = [READS.format("a"), READS.format("b"), WRITES.format("c"), WRITES.format("d")]
    code = "\n".join(f"({run}) & sleep 0.1" for run in runs)
    result = bash(f"{code}\nwait")
    assert result.stdout.count("waiting for it to end") >= 2
    order = (tmp_path / "order").read_text().splitlines()
    assert set(order[:4]) == {"a reads", "b reads", "a ends", "b ends"}
    assert order[4:] in (
        ["c writes", "c ends", "d writes", "d ends"],
        ["d writes", "d ends", "c writes", "c ends"],
    )


def test_what_was_done_while_it_waited_is_not_done_again(bash, tmp_path):
    job = """
    hold_data d
    inputs=() claim=own_data
    sleep 0.3 # both have read that nothing is done
    once out/.made job.log '' sh -c 'mkdir -p out; echo x >>out/times'
    """
    result = bash(f"({job}) & ({job}) & wait")
    assert result.stdout.count("done already") == 1, result.stdout
    assert (tmp_path / "out/times").read_text() == "x\n"


def test_a_nul_in_a_log_does_not_hide_the_cause(bash, tmp_path):
    (tmp_path / "log").write_bytes(b"\0\nthe cause\n\0")
    result = bash("run_job job.log '' sh -c 'cat log; exit 1'")
    assert "the cause" in result.stderr, result.stderr
    assert "binary file" not in result.stderr


def test_several_at_a_time_and_no_more(bash, tmp_path):
    """Each ends only when two have begun; the third begins when the first has ended."""
    code = """
    f() { echo "$1 $2" >>begun; until [[ $(wc -l <begun) -ge 2 ]]; do sleep 0.02; done; }
    in_parallel 2 f a b c
    """
    result = bash(code)
    assert result.returncode == 0, result.stderr
    assert sorted((tmp_path / "begun").read_text().splitlines()[:2]) == ["a 0", "b 1"]
    assert (tmp_path / "begun").read_text().splitlines()[2] == "c 2"


def test_one_that_fails_lets_the_others_end_and_fails_all(bash, tmp_path):
    """Also one that has long ended, and that bash has forgotten, when it is waited for."""
    code = """
    f() { echo "$1" >>begun; if [[ $1 == slow ]]; then sleep 0.3; fi; [[ $1 != bad ]]; }
    in_parallel NUMBER f slow bad c d e f g
    echo reached
    """
    result = bash(code.replace("NUMBER", "4"))
    assert result.returncode == 1
    assert "reached" not in result.stdout
    assert sorted((tmp_path / "begun").read_text().split()) == "bad c d e f g slow".split()
    assert bash(code.replace("NUMBER", "1")).returncode == 1


def test_a_job_that_fails_goes_on_as_often_as_is_allowed_and_keeps_its_logs(bash, tmp_path):
    code = "inputs=() times={0}\nonce out/.made job.log '' sh -c 'echo x >>count; [ $(wc -l <count) = 3 ]'"
    result = bash(code.format(1))
    assert result.returncode == 1
    assert "not" not in result.stdout
    assert (times_done(tmp_path), len(list(tmp_path.glob("job.failed_*.log")))) == (2, 1)
    result = bash(code.format(1))
    assert result.returncode == 0
    assert times_done(tmp_path) == 3
    assert (tmp_path / "out/.made").exists()
