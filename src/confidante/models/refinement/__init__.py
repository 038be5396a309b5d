"""What a server refines lists with: the half that devices hold, and the half that scores."""
