"""What a coordinator refines lists with: its model, all that it offers, and questions it cannot read."""
