"""The command that compares with golden numbers: they agree, and what is spoiled or missing is found."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
PARTS = ("ced", "mlclap", "metrics", "text", "le", "correspondences")


@pytest.fixture(scope="module", autouse=True)
def tools_importable():
    sys.path.insert(0, str(TOOLS))
    yield
    sys.path.remove(str(TOOLS))


@pytest.fixture
def golden_copy(golden_dir, tmp_path):
    """Links to all golden files; `spoil` replaces one by a changed copy."""
    for path in golden_dir.rglob("*.*"):
        link = tmp_path / path.relative_to(golden_dir)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path)
    return tmp_path


def compare(folder, *parts):
    from check_golden import check_part
    from golden.compare import Report

    report = Report()
    for part in parts:
        check_part(folder, part, report)
    return report


def failed(report):
    assert not report.passed
    return [row.quantity for row in report.rows if not row.passed]


def spoil_json(path, change):
    content = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def spoil_arrays(path, change):
    arrays = dict(np.load(path))
    path.unlink()
    change(arrays)
    np.savez(path, **arrays)


@pytest.mark.parametrize("part", PARTS)
def test_all_golden_numbers(golden_dir, part):
    report = compare(golden_dir, part)
    assert report.passed, report.table()
    assert report.rows


def test_the_command(golden_dir, golden_copy):
    command = [sys.executable, str(TOOLS / "check_golden.py")]
    good = subprocess.run(
        [*command, str(golden_dir), "--parts", "text"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert good.returncode == 0, good.stdout + good.stderr
    assert "output (rows that differ)" in good.stdout

    def change(rows):
        rows[3]["output"] += "x"

    spoil_json(golden_copy / "text/text_preprocess.json", change)
    bad = subprocess.run(
        [*command, str(golden_copy), "--parts", "text"], capture_output=True, text=True, check=False
    )
    assert bad.returncode == 1
    assert "FAILED" in bad.stdout
    assert "NOT all within tolerance" in bad.stdout


def test_spoiled_metrics_and_statistics(golden_copy):
    def figures(content):
        name = next(n for n, s in content["sets"].items() if not s["tied_queries_t2a"])
        content["sets"][name]["a2t"]["mAP10"] += 1e-6

    def ranks(arrays):
        key = next(key for key in arrays if key.startswith("t2a_rank_hi_"))
        arrays[key] = arrays[key] - 1

    def translated(content):
        row = content["stats"][0]
        row["translated_per_epoch_mean"] *= 1.05

    spoil_json(golden_copy / "metrics/metrics.json", figures)
    spoil_arrays(golden_copy / "metrics/ranks.npz", ranks)
    spoil_json(golden_copy / "le/le_stats.json", translated)
    assert failed(compare(golden_copy, "metrics", "le")) == [
        "a2t: all figures",
        "t2a_rank_lo/hi_* (places outside)",
        "t2a R@k within the bounds (share outside)",
        "t2a medR within the bounds (places outside)",
        "translated_per_epoch_mean (standard errors)",
    ]


def test_spoiled_and_missing_embeddings(golden_copy):
    from golden.ced import GoldenCED, models

    name = models(golden_copy / "ced")[0]
    item = GoldenCED(golden_copy / "ced", name).those("tok_")[0]

    def outputs(arrays):
        arrays[f"tok_{item}"] = arrays[f"tok_{item}"] + 1e-4
        del arrays["trainmode_running_mean_after"]
        arrays["something_else"] = np.zeros(3)

    spoil_arrays(golden_copy / f"ced/{name}_outputs.npz", outputs)
    for other in models(golden_copy / "ced")[1:]:
        (golden_copy / f"ced/{other}_outputs.npz").unlink()
    report = compare(golden_copy, "ced")
    assert failed(report) == ["tok_*"]
    problems = "\n".join(report.problems)
    assert "trainmode_running_mean_after is missing" in problems
    assert "nothing compares something_else" in problems
    assert "is not in both meta.json and" in problems


def test_spoiled_correspondences(golden_copy):
    def case(arrays):
        arrays["self_distilled|grad_text"][2] *= 1 + 1e-6
        del arrays["ensemble_repeated|teacher1_audio"]
        arrays["self_distilled|teacher1_audio"] = np.zeros(3)

    spoil_arrays(golden_copy / "correspondences/cases.npz", case)
    report = compare(golden_copy, "correspondences")
    assert failed(report) == ["gradient of the captions (relative, float64)"]
    assert [problem.partition(": ")[2] for problem in report.problems] == [
        "ensemble_repeated|teacher1_audio is missing",
        "nothing compares self_distilled|teacher1_audio",
    ]


def test_missing_parts_and_damaged_files(golden_copy):
    shutil.rmtree(golden_copy / "le")
    path = golden_copy / "mlclap/meta.json"
    path.unlink()
    path.write_text("{")
    report = compare(golden_copy, "mlclap", "le")
    assert not report.passed
    assert report.problems[0].startswith("mlclap: stopped by JSONDecodeError")
    assert report.problems[1].endswith("le is missing")


def test_nan_is_no_agreement():
    from golden.compare import Report

    report = Report()
    report.compare("file", "quantity", 1.0, "key", [0.0, np.nan], [0.0, 0.0])
    assert not report.passed
    report = Report()
    report.compare("file", "quantity", 1.0, "key", [0.0], [0.0, 0.0])
    assert "shape (1,), golden (2,)" in report.problems[0]
