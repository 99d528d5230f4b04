"""How the small SONAR that ships with the package is made; `tools/make_small_sonar.py` runs it."""
