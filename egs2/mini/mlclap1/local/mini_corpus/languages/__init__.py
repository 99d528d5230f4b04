"""One module a language: its words, the forms a phrase takes, and its five styles of caption."""
