"""Films, series, music, books and videos."""
