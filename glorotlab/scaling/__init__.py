"""How the sizes in a network scale with its width: parametrizations, and the coordinate check that tells them apart."""
