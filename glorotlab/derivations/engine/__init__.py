"""The engine of derivations: steps, notation, algebra, rendering and drawn networks that check them."""
