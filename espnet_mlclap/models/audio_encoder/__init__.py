"""Audio encoders: a batch of clips in, one embedding a clip out."""
