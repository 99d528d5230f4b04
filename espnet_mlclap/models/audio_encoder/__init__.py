"""Audio encoders: a batch of clips in, one embedding per clip out."""
