"""Comparisons with golden numbers of the published code; `tools/check_golden.py` runs them all."""
