"""A look at each thing that a coordinator needs, with what to do about it."""
