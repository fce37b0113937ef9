"""What a derivation is made of: steps, notation, algebra, rendering and drawn networks that check it."""
