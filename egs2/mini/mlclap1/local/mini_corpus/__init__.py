"""The mini corpus: synthetic sound scenes and captions from a grammar in eight languages."""
