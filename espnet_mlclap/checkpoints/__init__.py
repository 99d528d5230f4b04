"""Published weights: where they are, what they may be used for, fetching and checking them."""
