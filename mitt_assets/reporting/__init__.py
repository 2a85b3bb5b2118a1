"""Charts and the one-page report: estimates in, a self-contained HTML page and CSV files out."""
