"""The table of zero-shot accuracies."""

from espnet_mlclap.reports.zero_shot import zero_shot_table


def test_table():
    entry = {"clips": 8, "classes": 4, "prompts": 9, "interval": [10.0, 60.0], "chance": 25.0}
    scores = {
        "eng_Latn": {**entry, "accuracy": 50.0},
        "fra_Latn": {**entry, "accuracy": 30.0},
        "deu_Latn": {**entry, "accuracy": 20.0},
    }
    rows = zero_shot_table(scores, "eng_Latn").rows
    assert rows[0] == ["eng_Latn", "8", "4", "9", "50.0 [10.0, 60.0]", "25.0"]
    assert rows[-1] == ["mean of the 2 others", "", "", "", "25.0", ""]
    french = zero_shot_table(scores, "fra_Latn").rows
    assert [row[0] for row in french[:3]] == ["fra_Latn", "eng_Latn", "deu_Latn"]
    assert french[-1][4] == "35.0"
