"""How a coordinator is run and looked after."""
