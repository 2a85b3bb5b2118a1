"""The science: pure functions on frames, arrays and token ids. No Dagster, no files, no models."""
