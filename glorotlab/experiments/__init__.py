"""One file per figure, table or claim, and the catalogue that lists them."""
