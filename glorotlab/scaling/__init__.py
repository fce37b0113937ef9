"""How the sizes in a network scale with its width: parametrisations, and the coordinate check that tells them apart."""
