"""Which tasks make a model, with which share of the budget, and how their results are blended."""
