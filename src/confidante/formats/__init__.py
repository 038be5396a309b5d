"""Files that people have: to rows and back. No vault, nothing on disk, hostile until proven harmless."""
