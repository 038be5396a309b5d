"""Ground floor: errors, frozen values, entropy. Imports nothing of ours."""
