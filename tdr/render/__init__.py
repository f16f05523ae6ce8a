"""From a visible triangle to a colour, a smooth function of the scene, and back to the parameters."""
