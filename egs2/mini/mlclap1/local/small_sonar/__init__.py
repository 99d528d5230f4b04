"""How the small SONAR of the mini recipe is made; `local/make_small_sonar.py` runs it."""
