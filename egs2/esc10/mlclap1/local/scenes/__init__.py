"""Scenes: two or three recordings in sequence or at the same time, with captions by a grammar."""
