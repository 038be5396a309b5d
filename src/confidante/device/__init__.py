"""What an app embeds and a person trusts: vault, recommendations with reasons, consent, ledger, the page."""
